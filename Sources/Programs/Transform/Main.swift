import CommandSupport
import TransformCommand

@main
enum Main {
    static func main() async { await Program.main(TransformCommand.self) }
}
