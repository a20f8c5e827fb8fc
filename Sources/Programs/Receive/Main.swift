import CommandSupport
import ReceiveCommand

@main
enum Main {
    static func main() async { await Program.main(ReceiveCommand.self) }
}
