import Apply
import Batches
import Capture
import Glibc
import Observability
import PgOutput
import Postgres
import Selection
import Spool
import Threading

extension ExitStatus {
    /// The exit code for an error of one of the modules; nil for any other error.
    public init?(describing error: any Error) {
        switch error {
        case let error as PostgresError: self = ExitStatus(error)
        case let error as SpoolError: self = ExitStatus(error)
        case let error as CaptureError: self = ExitStatus(error)
        case let error as BatchError: self = ExitStatus(error)
        case let error as ApplyError: self = ExitStatus(error)
        case is PgOutputError: self = .corrupt
        case is SelectionError: self = .usage
        case is ThreadError: self = .failure
        case let error as any ExitStatusError: self = error.exitStatus
        default: return nil
        }
    }

    private init(_ error: PostgresError) {
        switch error.code {
        case .invalidConnectionString: self = .usage
        case .cannotConnect, .connectionLost: self = .connection
        case .unexpectedAnswer: self = .failure
        case .untrusted: self = .privilege
        case .server:
            switch error.sqlState {
            case .insufficientPrivilege: self = .privilege
            case .adminShutdown: self = .connection
            default: self = .failure
            }
        }
    }

    private init(_ error: SpoolError) {
        switch error.code {
        case .io: self = .inputOutput
        case .corrupt, .unsupported: self = .corrupt
        case .torn: self = .incomplete
        case .gap: self = .gap
        case .foreign: self = .foreign
        case .locked: self = .locked
        case .missing: self = .inputOutput
        }
    }

    private init(_ error: BatchError) {
        switch error.code {
        case .malformedMessage, .unexpectedMessage, .unknownRelation, .malformedBatches, .unsupportedFormat:
            self = .corrupt
        case .noReplicaIdentity, .binaryValue, .tooLarge: self = .conflict
        case .foreignStream: self = .foreign
        case .gap: self = .gap
        case .truncated: self = .incomplete
        }
    }

    private init(_ error: ApplyError) {
        switch error.code {
        case .connectionLost: self = .connection
        case .privilege: self = .privilege
        case .unsuitableSession: self = .unsuitableServer
        case .positionBusy: self = .positionBusy
        case .positionMoved: self = .positionMoved
        case .straddling: self = .straddling
        case .gap: self = .gap
        case .rowCountMismatch, .constraint, .conflict, .lanesDepend, .server: self = .conflict
        case .unknownTransaction: self = .usage
        case .malformedInput: self = .corrupt
        case .inputEndedEarly: self = .incomplete
        case .foreignStream: self = .foreign
        }
    }

    private init(_ error: CaptureError) {
        switch error.code {
        case .unsuitableServer, .publicationMissing: self = .unsuitableServer
        case .privilege: self = .privilege
        case .slotMissing: self = .slotMissing
        case .slotExists, .slotMismatch: self = .slotMismatch
        case .slotActive: self = .slotActive
        case .slotLost: self = .slotLost
        case .gap: self = .gap
        case .timelineSwitch, .sourceBehind: self = .foreign
        case .protocolViolation: self = .corrupt
        case .streamEnded: self = .connection
        }
    }
}
