import TestSupport

/// Plain PostgreSQL that refuses what a service refuses, told apart by the same settings and roles. What a service gives
/// by means that plain PostgreSQL does not have is given by ``settle``.
enum ManagedServer: String, CaseIterable {
    case rds = "like_rds"
    case cloudSQL = "like_cloudsql"
    case azure = "like_azure"
    case neon = "like_neon"
    case supabase = "like_supabase"

    /// The superuser that only the service has.
    var superuser: String {
        switch self {
        case .rds: "rdsadmin"
        case .cloudSQL: "cloudsqladmin"
        case .azure: "azuresu"
        case .neon: "cloud_admin"
        case .supabase: "supabase_admin"
        }
    }

    /// The role of administrators.
    private var group: String {
        switch self {
        case .rds: "rds_superuser"
        case .cloudSQL: "cloudsqlsuperuser"
        case .azure: "azure_pg_admin"
        case .neon: "neon_superuser"
        case .supabase: "supabase_privileged_role"
        }
    }

    private func setting(_ database: String) -> String {
        let name: String? =
            switch self {
            case .rds: "rds.extensions"
            case .cloudSQL: "cloudsql.logical_decoding"
            case .azure: "azure.extensions"
            case .neon: "neon.timeline_id"
            case .supabase: nil
            }
        return name.map { "ALTER DATABASE \(database) SET \($0) = 'on';" } ?? ""
    }

    /// Makes a database of a server such a one.
    func setUp(_ database: String, major: Int) -> String {
        let superuserOnly = """
            CREATE ROLE \(superuser) SUPERUSER LOGIN; CREATE ROLE \(group);
            CREATE ROLE master LOGIN CREATEROLE CREATEDB IN ROLE \(group);
            GRANT pg_signal_backend, pg_monitor TO \(group) WITH ADMIN OPTION;
            ALTER DATABASE \(database) OWNER TO master; \(setting(database))
            SET ROLE \(superuser);
            CREATE FUNCTION pg_catalog.service_watches() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
            CREATE EVENT TRIGGER service_watches ON ddl_command_end EXECUTE FUNCTION pg_catalog.service_watches();
            ALTER DEFAULT PRIVILEGES FOR ROLE \(superuser) GRANT SELECT ON TABLES TO \(group);
            GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_reset() TO \(group);
            RESET ROLE;

            """
        let own =
            switch self {
            case .rds: "CREATE ROLE rds_replication; GRANT rds_replication TO rds_superuser WITH ADMIN OPTION;"
            case .cloudSQL, .azure, .neon: ""
            case .supabase:
                """
                CREATE ROLE anon; CREATE ROLE authenticated; CREATE ROLE supabase_auth_admin;
                CREATE SCHEMA auth AUTHORIZATION supabase_auth_admin; CREATE SCHEMA extensions AUTHORIZATION master;
                CREATE TABLE auth.users (id int PRIMARY KEY); ALTER TABLE auth.users OWNER TO supabase_auth_admin;
                CREATE TABLE auth.identities (id int REFERENCES auth.users);
                ALTER TABLE auth.identities OWNER TO supabase_auth_admin;
                """
            }
        let group =
            [.rds, .supabase].contains(self) ? "GRANT SET ON PARAMETER session_replication_role TO \(group);" : ""
        return superuserOnly + own + (major >= 15 ? group : "")
    }

    /// Gives what the service gives in its own way for what was granted.
    func settle(major: Int) -> String {
        let (who, statement): (String, String) =
            switch self {
            case .rds: ("pg_has_role(oid, 'rds_replication', 'USAGE')", "ALTER ROLE %I REPLICATION")
            case .cloudSQL,
                .azure where major >= 15:
                ("rolreplication", "GRANT SET ON PARAMETER session_replication_role TO %I")
            default: ("false", "SELECT")
            }
        return """
            DO $$ DECLARE r name; BEGIN
              FOR r IN SELECT rolname FROM pg_roles WHERE NOT rolsuper AND rolname = 'mover' AND \(who) LOOP
                EXECUTE format('\(statement)', r);
              END LOOP;
            END $$
            """
    }

    /// An application's objects: owners, grants, default privileges, keys, triggers and rules.
    func application(_ database: String) -> String {
        """
        CREATE ROLE app LOGIN; CREATE ROLE reader LOGIN; CREATE ROLE keeper;
        GRANT CREATE ON DATABASE \(database) TO app, keeper; GRANT USAGE, CREATE ON SCHEMA public TO app;
        SET ROLE keeper; CREATE SCHEMA kept; CREATE TABLE kept.box (id int PRIMARY KEY, v text); RESET ROLE;
        SET ROLE app; CREATE SCHEMA shop;
        CREATE TYPE shop.mood AS ENUM ('sad', 'ok');
        CREATE TABLE shop.people (id int PRIMARY KEY, name text, mood shop.mood DEFAULT 'ok');
        CREATE TABLE shop.orders (id serial PRIMARY KEY, person int NOT NULL REFERENCES shop.people ON DELETE CASCADE);
        CREATE TABLE shop.log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, person int);
        CREATE TABLE public.plain (id int PRIMARY KEY, v text); CREATE TABLE public.shadow (id int);
        ALTER TABLE public.shadow REPLICA IDENTITY FULL;
        CREATE FUNCTION shop.note() RETURNS trigger LANGUAGE plpgsql
          AS 'BEGIN INSERT INTO shop.log (person) VALUES (NEW.id); RETURN NEW; END';
        CREATE TRIGGER noting AFTER INSERT ON shop.people FOR EACH ROW EXECUTE FUNCTION shop.note();
        COMMENT ON TRIGGER noting ON shop.people IS 'notes';
        CREATE RULE shadowing AS ON INSERT TO public.plain DO ALSO INSERT INTO public.shadow VALUES (NEW.id);
        CREATE MATERIALIZED VIEW shop.counted AS SELECT count(*) FROM shop.people;
        GRANT USAGE ON SCHEMA shop TO reader; GRANT SELECT ON shop.people TO reader, \(group);
        GRANT EXECUTE ON FUNCTION shop.note() TO reader;
        ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA shop GRANT SELECT ON TABLES TO reader;
        INSERT INTO shop.people SELECT g, 'n' || g FROM generate_series(1, 500) g;
        INSERT INTO shop.orders (person) SELECT 1 + g % 500 FROM generate_series(1, 500) g;
        INSERT INTO public.plain SELECT g, 'v' FROM generate_series(1, 100) g; RESET ROLE;
        INSERT INTO kept.box VALUES (1, 'one');

        """
            + (self == .supabase
                ? """
                INSERT INTO auth.users VALUES (1); GRANT USAGE ON SCHEMA auth TO app; GRANT REFERENCES ON auth.users TO app;
                SET ROLE app; CREATE TABLE public.profiles (id int PRIMARY KEY REFERENCES auth.users); RESET ROLE;
                INSERT INTO public.profiles VALUES (1);
                """ : "")
    }
}
