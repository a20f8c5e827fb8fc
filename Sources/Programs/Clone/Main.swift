import CloneCommand
import CommandSupport

@main
enum Main {
    static func main() async { await Program.main(CloneCommand.self) }
}
