import CommandSupport
import ReplayCommand

@main
enum Main {
    static func main() async { await Program.main(ReplayCommand.self) }
}
