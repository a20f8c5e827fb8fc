import CloneCommand
import CommandSupport
import Glibc
import InspectCommand
import Observability
import ReceiveCommand
import ReplayCommand
import TransformCommand

/// All programs in one file. It is the one by whose name it is called, or the one that the first argument names.
@main
enum Main {
    static func main() async {
        let words = CommandLine.arguments
        switch words.first?.split(separator: "/").last {
        case "receive": await Program.main(ReceiveCommand.self)
        case "transform": await Program.main(TransformCommand.self)
        case "replay": await Program.main(ReplayCommand.self)
        case "inspect": await Program.main(InspectCommand.self, reportsBrokenPipe: false)
        case "clone": await Program.main(CloneCommand.self)
        default: await dispatch(words.dropFirst().first ?? "")
        }
    }

    private static func dispatch(_ word: String) async -> Never {
        if let advice = WrongWord.advice(word) {
            Output.error("\(advice) (see walrelay --help)", program: "walrelay")
            exit(ExitStatus.usage.rawValue)
        }
        let isProgram = WalrelayCommand.names.contains(word)
        await Program.main(
            WalrelayCommand.self, name: isProgram ? "walrelay \(word)" : "walrelay",
            reportsBrokenPipe: word != "inspect")
    }
}
