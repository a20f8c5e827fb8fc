import Postgres
import Testing

@Suite struct ConnectionStringTests {
    @Test(arguments: [
        "host=db.example port=5433 dbname=app user=me password=s3cret",
        "password = 's3cret' host = db.example port=5433 dbname='app' user=me",
        "postgresql://me:s3cret@db.example:5433/app",
        "postgres://db.example:5433/app?user=me&password=s3cret",
        "postgresql://me:s3c%72et@db.example:5433/app?sslpassword=s3cret",
    ])
    func everythingButThePasswordIsShown(text: String) throws {
        let string = try ConnectionString(text)
        #expect(string.secret == text)
        #expect(string.redacted == "user=me dbname=app host=db.example port=5433")
        #expect(string.parameters["password"] == "s3cret")
    }

    @Test func sslPasswordsAreSecretToo() throws {
        let string = try ConnectionString("host=h sslpassword=s3cret sslkey=k")
        #expect(!string.redacted.contains("s3cret"))
        #expect(string.redacted.contains("sslkey=k"))
    }

    @Test func anEmptyStringMeansTheDefaults() throws {
        let string = try ConnectionString("")
        #expect(string.redacted == "the libpq defaults")
        #expect(string.parameters == [:])
    }

    @Test(arguments: ["app", "my app", "it's", "back\\slash", "Ünï"])
    func aBareWordIsADatabase(name: String) throws {
        #expect(try ConnectionString(name).parameters == ["dbname": name])
    }

    @Test(arguments: ["a b", "it's", "back\\slash", "", "'\u{301}"])
    func whatIsShownCanBeReadAgain(value: String) throws {
        let escaped = value.unicodeScalars.map { $0 == "'" || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined()
        let string = try ConnectionString("application_name='\(escaped)' host=h")
        #expect(string.parameters["application_name"] == value)
        #expect(try ConnectionString(string.redacted).parameters == string.parameters)
    }

    /// Mistakes that people make in strings with a password. libpq's own messages quote parts of them.
    @Test(arguments: [
        "postgresql://me:s3cret@[::1/app", "postgresql://me:s3cret@h:5433/app?bad", "postgresql://me:s3cret%zz@h/app",
        "postgresql://me:pa\"s3cret@[::1/app", "postgresql://me:\"\"s3cret\"@h/app?x=%00", "host=h password=a s3cret",
        "host=h password='s3cret", "password=a\"b s3cret", "s3cret\"s3cret\" =", "pasword=s3cret", "host=h s3cret=1",
        "http://me:s3cret@h/app", "postgres//me:s3cret@h/app", "postgresql:/me:s3cret@h/app", "me:s3cret@h/app",
        "postgresql:me:s3cret@h/app", "postgresql//me:s3cret@h", "pg://me:s3cret@h/app?sslmode=require",
        "postgresql://me:s3cret@h/app?password=a=s3cret", "host=h password=a \"\u{301}s3cret",
        "dbname=postgresql://me:s3cret@h/app", "host=h password:s3cret",
    ])
    func aMistakeDoesNotShowThePassword(text: String) {
        do {
            let string = try ConnectionString(text)
            #expect(!string.redacted.contains("s3cret"))
            #expect(!string.redacted.contains("pa\""))
        } catch {
            #expect(error.code == .invalidConnectionString)
            #expect(!"\(error) \(String(reflecting: error)) \(error.message)".contains("s3cret"))
            #expect(!error.message.contains("pa\""))
        }
    }
}
