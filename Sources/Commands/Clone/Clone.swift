@main struct CloneMain { static func main() {} }
