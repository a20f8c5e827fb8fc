import CommandSupport
import InspectCommand

@main
enum Main {
    static func main() async { await Program.main(InspectCommand.self, reportsBrokenPipe: false) }
}
