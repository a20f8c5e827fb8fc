@main struct ReceiveMain { static func main() {} }
