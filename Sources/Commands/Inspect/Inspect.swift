@main struct InspectMain { static func main() {} }
