import Glibc

/// The shell process beside a server that makes, starts and stops it, and removes it when the test process has gone.
///
/// It reads commands from a ``Lifeline`` and answers each by a file `answer.<number>` with an exit code. End of file
/// means that nobody needs the server any more: every process whose working folder lies in the cluster's folder (all
/// processes of a server do) is killed, and the folder removed. As the supervisor itself makes the folder and starts
/// the server, there is no moment at which a death of the test process would leave anything.
final class ClusterSupervisor: Sendable {
    /// Folder of the cluster: `data`, `log` and the socket.
    let folder: String
    private let lifeline: Lifeline
    private let lastNumber = Counter()

    /// Starts the supervisor, which waits for commands.
    init(folder: String, template: String, serverUser: String, installation: PostgresInstallation) throws {
        self.folder = folder
        var environment = installation.environment
        environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        environment["LC_ALL"] = "C"
        environment["TZ"] = "UTC"
        lifeline = try Lifeline(
            SpawnRequest(
                executable: "/bin/sh",
                arguments: [
                    "-c", Self.script, "walrelay-supervisor", folder, template, serverUser, installation.bindir,
                ],
                environment: environment
            )
        )
    }

    /// Process id of the supervisor.
    var pid: Int32 { lifeline.process.pid }

    /// Has a command done and returns its exit code; nil when there is no answer in time.
    func perform(_ command: String, within limit: Duration) async throws -> Int32? {
        let number = lastNumber.next()
        guard lifeline.send("\(number) \(command)") else { return nil }
        let deadline = ContinuousClock.now + limit
        let answer = "\(folder)/answer.\(number)"
        while ContinuousClock.now < deadline {
            if exists(answer) {
                let code = readText(answer)
                unlink(answer)
                return Int32(code.prefix { $0.isNumber })
            }
            if lifeline.process.poll() != nil { return nil }
            try await Task.sleep(for: .milliseconds(5))
        }
        return nil
    }

    /// Has everything removed and waits until it is.
    func finish(within limit: Duration) async throws -> Bool {
        lifeline.cut()
        return try await lifeline.process.wait(within: limit) != nil
    }

    /// Written for any POSIX shell on Linux.
    static let script = """
        folder=$1 template=$2 as=${3:+runuser -u $3 --} owner=${3:-$(id -un)} bindir=$4 server=
        cd /
        umask 022

        processes() { find /proc/[0-9]*/cwd -maxdepth 0 -lname "$folder/*" 2>/dev/null | tr -dc '0-9\\n'; }
        line() { sed -n "$1p" "$folder/data/postmaster.pid" 2>/dev/null; }

        # An immediate shutdown first, because a killed postmaster leaves its System V shared memory.
        clean() {
            postmaster=$(line 1)
            if [ "$(readlink "/proc/$postmaster/cwd")" = "$folder/data" ]; then kill -QUIT "$postmaster"; fi
            round=0
            while found=$(processes); [ -n "$found" ] && [ $round -lt 200 ]; do
                if [ $round -ge 50 ]; then kill -KILL $found; fi
                round=$((round + 1))
                sleep 0.02
            done
            memory=$(line 7)
            if [ -n "$memory" ]; then ipcrm -m "${memory##* }"; fi
            rm -rf -- "$folder"
        }
        trap clean EXIT
        trap 'exit 1' HUP INT TERM

        begin() { mkdir "$folder" && exec >>"$folder/log" 2>&1 && chown "$owner" "$folder" "$folder/log"; }

        # Two processes that find no template both make one; the first rename wins, the other one fails and is no loss.
        make() {
            begin || return
            if ! [ -d "$template" ]; then
                $as "$bindir/initdb" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync \\
                    -D "$folder/template" || return
                mv -T "$folder/template" "$template" || [ -d "$template" ] || return
            fi
            if [ "$(stat -c %U "$template")" != "$owner" ]; then
                echo "$template belongs to someone else"
                return 1
            fi
            cp -a --reflink=auto "$template" "$folder/data"
        }

        # Instead of make: a copy of a server that runs, which becomes its standby.
        backup() {
            begin && $as "$bindir/pg_basebackup" -d "$argument" -D "$folder/data" -c fast --no-sync &&
                $as touch "$folder/data/standby.signal"
        }

        # Not by pg_ctl: as a child of this shell a server that dies is reaped, whatever process 1 is here. The file of
        # a killed server is removed, since its number may belong to someone else by now.
        start() {
            if [ -n "$server" ] && kill -0 "$server"; then return 1; fi
            rm -f "$folder/data/postmaster.pid"
            $as "$bindir/postgres" -D "$folder/data" &
            server=$!
            round=0
            while [ $round -lt 3000 ]; do
                sleep 0.02
                case $(line 8) in ready*|standby*) return 0 ;; esac
                kill -0 "$server" || return
                round=$((round + 1))
            done
            return 1
        }

        while read -r number command argument; do
            case $command in
            make) make ;;
            backup) backup ;;
            save) rm -rf "$folder/saved" && cp -a --reflink=auto "$folder/data" "$folder/saved" ;;
            restore) rm -rf "$folder/data" && mv "$folder/saved" "$folder/data" ;;
            start) start ;;
            # Stopped at once in the middle of its recovery, it says that this was not normal.
            stop) $as "$bindir/pg_ctl" -D "$folder/data" -m "$argument" -s -w -t 60 stop &&
                { wait $server || [ "$argument" = immediate ]; } ;;
            reap) wait $server ;;
            *) false ;;
            esac </dev/null
            code=$?
            [ -d "$folder" ] || exit 1
            echo $code >"$folder/answer.new"
            mv "$folder/answer.new" "$folder/answer.$number"
        done
        """
}
