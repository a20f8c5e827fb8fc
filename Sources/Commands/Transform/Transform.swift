@main struct TransformMain { static func main() {} }
