//! A table of wrong values and of what is said about each. Separate, because it is long and grows by a line a rule.

use super::findings;

/// A file, and what the line that refuses it begins with and contains.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "[broker]\nprefx = 1",
        "broker.prefx (",
        "no such key; [broker] has ca_file, client_cert_file, client_key_file, confirm_timeout, declare",
    ),
    ("[brokr]\nurl = 1", "brokr.url (", "no such section; there are announce, auth"),
    ("[brokr]", "brokr (", "no such section"),
    ("lanes = 3", "lanes: ", "stands in no section"),
    ("[join]\nlanes = 0", "join.lanes = 0 (", "must be between 1 and 64"),
    ("[join]\nlanes = \"4\"", "join.lanes = \"4\" (", "expected usize"),
    ("[join]\nbatch_max = 1001", "join.batch_max = 1001 (", "must be between 1 and 1000"),
    ("[announce]\nqueue = 511", "announce.queue = 511 (", "must be at least twice announce.batch_max = 256 (default)"),
    ("[join]\nprefetch = 511", "join.prefetch = 511 (", "must be at least join.batch_max = 512 (default)"),
    ("[join]\nbusy_retries = 0", "join.busy_retries = 0 (", "must be between 1 and 1000"),
    ("[cache]\nttl = 5", "cache.ttl = 5 (", "a duration like"),
    ("[cache]\nttl = \"soon\"", "cache.ttl = \"soon\" (", "expected a duration like"),
    ("[cache]\ntimeout = \"0s\"", "cache.timeout = \"0s\" (", "must be between 1ms and 1h"),
    ("[cache]\nurl = \"redis://:a,b@h\"", "cache.url (", "written %2F"),
    ("[cache]\nurl = \"rediss://a,http://b\"", "cache.url (", "must begin with redis:// or rediss://"),
    ("[cache]\nprefix = \"{m}\"", "cache.prefix = \"{m}\" (", "one node of a cluster"),
    ("[broker]\nheartbeat = \"1500ms\"", "broker.heartbeat = ", "whole seconds"),
    ("[broker]\nprefix = \"a b\"", "broker.prefix = \"a b\" (", "visible ASCII"),
    ("[broker]\nprefix = \"amq.x\"", "broker.prefix = \"amq.x\" (", "RabbitMQ keeps for itself"),
    ("[broker]\nurl = \"http://h\"", "broker.url (", "must begin with amqp:// or amqps://"),
    ("[broker]\nca_file = \"/nowhere.pem\"", "broker.ca_file = \"/nowhere.pem\" (", "cannot be read"),
    ("[broker]\nca_file = \"Cargo.toml\"", "broker.ca_file = \"Cargo.toml\" (", "holds no certificate in PEM"),
    (
        "[broker]\nca_file = \"Cargo.toml\"",
        "broker.ca_file = \"Cargo.toml\" (",
        "is of no use with broker.url (default)",
    ),
    (
        "[broker]\nclient_cert_file = \"Cargo.toml\"",
        "broker.client_cert_file = ",
        "is of no use without broker.client_key_file = \"\" (default)",
    ),
    (
        "[broker]\nclient_key_file = \"Cargo.toml\"",
        "broker.client_key_file = ",
        "holds no private key without passphrase in PEM",
    ),
    ("[cache]\nca_file = \"Cargo.toml\"", "cache.ca_file = ", "is of no use with cache.url (default)"),
    ("[broker]\nmanagement_url = \"h:15672\"", "broker.management_url (", "must begin with http://"),
    ("[database]\nurl = \"\"", "database.url (", "must be a URL with postgres://"),
    (
        "[database]\nurl = \"postgres://h/d?sslmode=require&sslrootcert=/ca.pem\"",
        "database.url (",
        "must hold sslmode=verify-full",
    ),
    ("[database]\nurl = \"postgres://h/d?ssl-key=/key.pem\"", "database.url (", "must hold sslmode=verify-full"),
    (
        "[database]\nlock_timeout = \"5s\"",
        "database.lock_timeout = ",
        "must be shorter than database.statement_timeout",
    ),
    (
        "[shutdown]\ngrace = \"5s\"",
        "database.statement_timeout = \"5s\" (default)",
        "must be shorter than shutdown.grace",
    ),
    ("[otlp]\nendpoint = \"h:4318\"", "otlp.endpoint = \"h:4318\" (", "must begin with http://"),
    ("[otlp]\nendpoint = \"http://u:p@h\"", "otlp.endpoint = ", "give them in otlp.authorization"),
    ("[otlp]\nauthorization = \"a\\nb\"", "otlp.authorization (", "the value of a header"),
    ("[otlp]\ntimeout = \"0s\"", "otlp.timeout = \"0s\" (", "must be between 1ms and 1m"),
    ("[outage]\nhold = \"30m\"", "outage.hold = \"30m\" (", "consumer_timeout"),
    ("[announce]\nlease = \"7s\"", "announce.lease = \"7s\" (", "at least twice broker.confirm_timeout"),
    (
        "[announce]\nsweep_interval = \"10s\"",
        "announce.lease = \"10s\" (default)",
        "longer than announce.sweep_interval",
    ),
    ("[requests]\nretention = \"59m\"", "requests.retention = \"59m\" (", "must be between 1h and"),
    ("[http]\nlisten = \"localhost\"", "http.listen = \"localhost\" (", "an address and a port"),
    (
        "[[http.tokens]]\nname = \"a b\"\nrole = \"viewer\"\nsha256 = \"7\"",
        "http.tokens = ",
        "name \"a b\" must have 1 to 64 visible ASCII",
    ),
    (
        "[[http.tokens]]\nname = \"ana\"\nrole = \"viewer\"\nsha256 = \"7\"",
        "http.tokens = ",
        "of `ana`, sha256 must be 64 hexadecimal digits",
    ),
    ("[[http.tokens]]\nname = \"ana\"\nrole = \"root\"\nsha256 = \"7\"", "http.tokens = ", "unknown variant `root`"),
    (
        "[http]\ntokens = [{name=\"a\",role=\"admin\",sha256=\"\"},{name=\"a\",role=\"admin\",sha256=\"\"}]",
        "http.tokens = ",
        "name `a` is listed twice",
    ),
    ("[http]\npublic_url = \"http://h\"", "http.public_url = http://h/ (", "must begin with https://"),
    ("[http]\npublic_url = \"https://h/x\"", "http.public_url = https://h/x (", "must have no path"),
    ("[http]\ntrace_url = \"traces/{trace}\"", "http.trace_url = \"traces/{trace}\" (", "must be a URL with http://"),
    ("[http]\ntrace_url = \"javascript:{trace}\"", "http.trace_url = ", "must begin with http:// or https://"),
    ("[http]\ntrace_url = \"https://h/{request}\"", "http.trace_url = ", "must hold {trace}"),
    ("[http]\nlogs_url = \"https://{request}.h/\"", "http.logs_url = ", "must have {request} behind the host"),
    ("[http]\nlogs_url = \"https://u:p@h/{request}\"", "http.logs_url = ", "must hold no user or password"),
    ("[http]\noidc_issuer = \"h\"", "http.oidc_issuer = \"h\" (", "must be a URL with http:// or https://"),
    ("[http]\noidc_issuer = \"http://h\"", "http.oidc_issuer = http://h/ (", "must begin with https://"),
    ("[http]\noidc_issuer = \"https://u:p@h\"", "http.oidc_issuer = https://h/ (", "must hold no user or password"),
    ("[http]\noidc_issuer = \"https://h/?a=b\"", "http.oidc_issuer = https://h/ (", "neither `?` nor `#`"),
    (
        "[http]\noidc_issuer = \"https://h\"",
        "http.oidc_audience = \"\" (default)",
        "must not be empty, unless http.oidc_client_id is set, with http.oidc_issuer = https://h/",
    ),
    (
        "[http]\noidc_issuer = \"https://h\"",
        "http.oidc_roles = [] (default)",
        "must not be empty with http.oidc_issuer",
    ),
    (
        "[auth]\nissuer = \"https://h\"\naudience = \"a\"\n[http]\noidc_issuer = \"https://h\"\noidc_audience = \"a\"",
        "http.oidc_audience = \"a\" (",
        "must not be auth.audience = \"a\"",
    ),
    (
        "[auth]\nissuer = \"https://h\"\naudience = \"a\"\n[http]\noidc_issuer = \"https://h\"\noidc_client_id = \"a\"",
        "http.oidc_client_id = \"a\" (",
        "a member's session token would be an operator's",
    ),
    ("[http]\noidc_client_id = \"c\"", "http.oidc_client_id = \"c\" (", "is of no use without http.oidc_issuer"),
    ("[http]\noidc_client_secret = \"s\"", "http.oidc_client_secret (", "is of no use without http.oidc_issuer"),
    (
        "[http]\noidc_issuer = \"https://h\"\noidc_client_secret = \"s\"",
        "http.oidc_client_secret (",
        "is of no use without http.oidc_client_id",
    ),
    (
        "[http]\noidc_issuer = \"https://h\"\noidc_client_id = \"c\"",
        "http.public_url = \"\" (default)",
        "must not be empty with http.oidc_client_id = \"c\"",
    ),
    (
        "[http]\noidc_issuer = \"https://h\"\noidc_client_id = \"c\"\noidc_scopes = \"email\"",
        "http.oidc_scopes = \"email\" (",
        "must hold the word openid",
    ),
    (
        "[http]\noidc_issuer = \"https://h\"\noidc_roles_claim = \"a..b\"",
        "http.oidc_roles_claim = \"a..b\" (",
        "must be the name of a claim",
    ),
    (
        "[http]\noidc_issuer = \"https://h\"\noidc_roles = [{value=\"a\",role=\"admin\"},{value=\"a\",role=\"viewer\"}]",
        "http.oidc_roles = ",
        "value `a` is listed twice",
    ),
    ("[http]\noidc_session = \"9h\"", "http.oidc_session = \"9h\" (", "must be between 1m and 8h"),
    ("[[http.oidc_roles]]\nvalue = \"a\"\nrole = \"root\"", "http.oidc_roles = ", "unknown variant `root`"),
    ("[log]\nformat = \"xml\"", "log.format = \"xml\" (", "must be human or json"),
    ("[log]\nfilter = \"a=b=c\"", "log.filter = \"a=b=c\" (", "must be a filter"),
    ("[auth]\njwks = \"k.json\"", "auth.issuer = \"\" (default)", "must not be empty with auth.jwks = \"k.json\""),
    ("[auth]\njwks = \"k.json\"", "auth.audience = \"\" (default)", "must not be empty with auth.jwks"),
    ("[auth]\njwks = \"ftp://h\"", "auth.jwks = ftp://h/ (", "or file://, or name a file"),
    ("[auth]\njwks = \"https://u@h\"", "auth.jwks = https://h/ (", "must hold no user or password"),
    (
        "[auth]\njwks = \"k\"\nissuer = \"i\"\naudience = \"a\"\ntrust_broker_timestamps = true\nmax_queue_delay = \"0s\"",
        "auth.max_queue_delay = \"0s\" (",
        "must be above zero with auth.trust_broker_timestamps = true",
    ),
    (
        "[[auth.producers]]\nuser = \"join-worker\"\nidentity_types = []\nsites = []",
        "auth.producers = ",
        "user `join-worker` must not be the user of broker.url (default)",
    ),
    (
        "[auth]\nproducers = [{user=\"x\",identity_types=[],sites=[]},{user=\"x\",identity_types=[],sites=[]}]",
        "auth.producers = ",
        "user `x` is listed twice",
    ),
    (
        "[[auth.producers]]\nuser = \"x\"\nidentity_types = [\"UNKNOWN\"]\nsites = [\"all\"]",
        "auth.producers = ",
        "identity_types has \"UNKNOWN\"",
    ),
    (
        "[[auth.producers]]\nuser = \"x\"\nidentity_types = []\nsites = [\"all\"]",
        "auth.producers = ",
        "sites has \"all\"",
    ),
    ("[[auth.producers]]\nsites = []", "auth.producers[0].user (", "is missing"),
    ("[[auth.producers]]\nmay_elevat = true", "auth.producers[0].may_elevat (", "unknown field"),
    (
        "[webhooks]\ntargets = [{name=\"crm\",url=\"ftp://h\"}]\nkey = \"k\"",
        "webhooks.targets (",
        "of `crm`, url must begin with http:// or https://",
    ),
    (
        "[webhooks]\ntargets = [{name=\"C r\",url=\"http://u:p@h\"}]\nkey = \"k\"",
        "webhooks.targets (",
        "of `C r`, url must hold no user",
    ),
    (
        "[[webhooks.targets]]\nname = \"C r\"\nurl = \"http://h\"",
        "webhooks.targets (",
        "name \"C r\" must have 1 to 32",
    ),
    ("[[webhooks.targets]]\nname = \"crm\"", "webhooks.targets (", "each with a name and a url"),
    (
        "[webhooks]\ntargets = [{name=\"a\",url=\"http://h\"},{name=\"a\",url=\"http://i\"}]",
        "webhooks.targets (",
        "name `a` is listed twice",
    ),
    (
        "[[webhooks.targets]]\nname = \"crm\"\nurl = \"http://h\"",
        "webhooks.key (default)",
        "must not be empty with webhooks.targets (",
    ),
    ("[webhooks]\naccount_id = \"7\"", "webhooks.account_id = \"7\" (", "must be a GUID"),
    ("[webhooks]\nladder = [\"1m\", \"0s\"]", "webhooks.ladder = ", "between 1ms and 7days"),
    ("[webhooks]\nladder = [\"1500us\"]", "webhooks.ladder = ", "whole milliseconds"),
    ("[webhooks]\nladder = [5]", "webhooks.ladder = [5] (", "a duration like"),
    ("[webhooks]\ntimeout = \"2m\"", "webhooks.timeout = \"2m\" (", "must be between 1ms and 1m"),
    (
        "[webhooks]\ntimeout = \"20s\"",
        "webhooks.timeout = \"20s\" (",
        "must be shorter than shutdown.grace = \"20s\" (default)",
    ),
    ("[webhooks]\nconcurrency = 0", "webhooks.concurrency = 0 (", "must be between 1 and 256"),
    ("[auth]\nproducers = 5", "auth.producers = 5 (", "expected a sequence"),
];

#[test]
fn each_wrong_value_is_refused_with_key_value_origin_and_rule() {
    for (file, begins, contains) in REFUSED {
        let found = findings(file, &[]);
        let said = found.lines().any(|line| line.starts_with(begins) && line.contains(contains));
        assert!(said, "{file}\n  should be refused as\n    {begins} … {contains}\n  but is as\n    {found}");
    }
}
