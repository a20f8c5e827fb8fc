import Capture
import Glibc
import Postgres
import Spool
import TestSupport
import Threading

// What happens meanwhile.
extension History {
    /// Lets a moment pass, in which something may happen.
    func tick() throws {
        ticks += 1
        guard ticks < troubleEnds + 60_000 else { throw HistoryFailure("no end in sight") }
        clock.pass(milliseconds: chance(12) ? 300 : below(3))
        if !isCalm, ticks >= troubleEnds { try calmDown() }
        if chance(2) { source.advance(1 + below(isCalm ? 30 : 4)) }
        if !isCalm { try meddle() }
        try advanceReceive()
        if let readers, chance(3), readers.pipe.count < 60_000 { _ = try transform(readers) }
        if chance(30) { target.flush() }
    }

    /// A step of the reader. What the machine's end leaves is not for it.
    func transform(_ stage: TransformStage) throws -> Bool { try stage.step() }

    private func calmDown() throws {
        tell("calm")
        isCalm = true
        disk.room = nil
        disk.operationsUntilCrash = nil
        disk.failsNextSync = false
        source.advance(.max / 2)
        // The last one is told where to end.
        if let receive {
            do { try receive.interrupt() } catch { try mourn(error) }
        }
        receive = nil
    }

    private func advanceReceive() throws {
        do {
            guard let receive else { return try startReceive() }
            if chance(2) {
                receive.stream.arrived = min(receive.stream.arrived + below(8), 8)
                if receive.stream.isCaughtUp, isCalm || chance(6) {
                    receive.stream.keepAlive(replyRequested: chance(3))
                    receive.stream.arrived = 1
                }
                try receive.turn()
            }
            if chance(2) { try receive.write() }
        } catch {
            try mourn(error)
        }
    }

    private func startReceive() throws {
        guard ticks >= receiveStartsAt else { return }
        tell("receive starts")
        var seed = SeededRandom(seed: random.next())
        receive = try ReceiveStage(
            spool, source, end: isCalm ? source.position : nil, segmentSize: segmentSize, streaming: streaming, &seed)
    }

    /// The program that writes the log has ended with an error: one that is expected, or not.
    private func mourn(_ error: any Error) throws {
        receive = nil
        receiveStartsAt = ticks + below(20)
        if disk.isDead { return try bury() }
        tell("receive ends: \(error)")
        switch error {
        case let error as PostgresError where error.code == .connectionLost: return
        case let error as SpoolError where error.code == .io(errno: ENOSPC) || error.code == .io(errno: EIO): return
        case let failure as HistoryFailure: throw failure
        default: throw HistoryFailure("receive refuses to go on: \(error)")
        }
    }

    private func bury() throws {
        receive = nil
        receiveStartsAt = ticks + below(20)
        disk.room = nil
        switch death {
        case .kill:
            counts.kills += 1
            tell("receive is killed")
            try disk.revive()
        case .machine:
            counts.machineCrashes += 1
            tell("the machine goes down")
            readers = nil
            try disk.recover()
            throw Interrupted()
        }
    }

    private func meddle() throws {
        if trouble(), disk.operationsUntilCrash == nil {
            death = chance(2) ? .kill : .machine
            disk.operationsUntilCrash = below(9)
        }
        if trouble(2) {
            death = chance(3) ? .kill : .machine
            disk.kill()
            return try bury()
        }
        if trouble(), disk.room == nil {
            tell("the disk is nearly full")
            disk.room = below(700)
            roomComesAt = ticks + below(120)
        }
        if disk.room != nil, ticks >= roomComesAt { disk.room = nil }
        if options.syncFails, trouble() { disk.failsNextSync = true }
        if trouble() {
            counts.cuts += 1
            receive?.stream.isCut = true
        }
        if trouble(3) {
            counts.sourceCrashes += 1
            receive?.stream.isCut = true
            source.crash()
        }
        if trouble(2), let ending = receive {
            tell("receive is stopped")
            do { try ending.interrupt() } catch { return try mourn(error) }
            receive = nil
            receiveStartsAt = ticks + below(20)
        }
        if trouble() {
            tell("the target goes down")
            counts.targetCrashes += 1
            target.crash(random.next())
        }
        if trouble() {
            target.loseSession()
            counts.aborts += 1
        }
        if trouble() {
            tell("the readers are killed")
            counts.readerKills += 1
            readers = nil
            throw Interrupted()
        }
    }

    /// Called while the writer waits for space, and whoever else waits.
    func waited() {
        guard disk.room != nil else { return }
        if isCalm || chance(4) {
            disk.room = nil
        } else if chance(8) {
            receive?.requestStop()
        } else if chance(12) {
            death = chance(2) ? .kill : .machine
            disk.kill()
        }
    }

    /// Decides what the next COMMIT meets.
    func chooseCommitFault() {
        guard !isCalm, chance(max(4, calmness / 8)) else { return }
        target.commitFault = [.lostBefore, .lostAfter, .abort][below(3)]
    }
}
