//! What the bench's part `profile` reads of the kernel, Redis, `perf` and `pg_stat_statements`. Here, because a bench runs no
//! tests of its own.

#[path = "../../benches/throughput/profile/parse.rs"]
mod parse;

use join_community::postgres::STATEMENTS;
use parse::{commands, counted, number, shares, statement};

#[test]
fn a_number_is_found_by_its_whole_name() {
    let status = "VmRSS:\t   12 kB\nnonvoluntary_ctxt_switches:\t3\nvoluntary_ctxt_switches:\t4\nName:\tworker\n";
    for (name, found) in [
        ("VmRSS", Some(12)),
        ("voluntary_ctxt_switches", Some(4)),
        ("nonvoluntary_ctxt_switches", Some(3)),
        ("voluntary", None),
        ("Name", None),
        ("syscr", None),
    ] {
        assert_eq!(number(status, name), found, "{name}");
    }
    // The kernel's own, whatever it has.
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    assert!(number(&io, "syscr") > Some(0), "{io}");
}

#[test]
fn calls_of_a_command_are_told_apart_from_those_of_its_kind() {
    let info = "# Commandstats\r\n\
                cmdstat_hget:calls=6,usec=3165,usec_per_call=527.50,rejected_calls=1,failed_calls=2\r\n\
                cmdstat_config|get:calls=7,usec=8,usec_per_call=1.14,rejected_calls=0,failed_calls=0\r\n\
                cmdstat_broken:usec=8\r\n";
    let read: Vec<(String, [u64; 2])> = commands(info).into_iter().collect();
    assert_eq!(read, [("config|get".to_owned(), [7, 8]), ("hget".to_owned(), [6, 3165])]);
}

#[test]
fn shares_of_samples_are_read_with_and_without_the_names_of_functions() {
    let report = "# Samples: 276  of event 'cpu-clock:ppp'\n\
                  #\n\
                  # Overhead|Command    |Shared Object    |Symbol\n \
                  60.00%  |swapper    |[kernel.kallsyms]|[k] pv_native_safe_halt\n \
                  8.70%  |tokio-rt-worker|join-community|[.] 0x0000000000123456\n \
                  1.25%  |other    |library.so.1     |[.] Flags::operator|\n\n#\n# (Tip: none)\n";
    let read = shares(report);
    let told: Vec<_> = read
        .iter()
        .map(|share| {
            (share.percent, share.thread.as_str(), share.object.as_str(), share.symbol.as_str(), share.is_named())
        })
        .collect();
    assert_eq!(
        told,
        [
            (60.0, "swapper", "[kernel.kallsyms]", "[k] pv_native_safe_halt", true),
            (8.7, "tokio-rt-worker", "join-community", "[.] 0x0000000000123456", false),
            (1.25, "other", "library.so.1", "[.] Flags::operator|", true),
        ]
    );
}

#[test]
fn an_event_that_was_not_counted_is_not_zero() {
    let event = "raw_syscalls:sys_enter";
    assert_eq!(counted("\n29,,raw_syscalls:sys_enter,581197,100.00,,\n", event), Some(29));
    assert_eq!(counted("<not counted>,,raw_syscalls:sys_enter,0,100.00,,\n", event), None);
    assert_eq!(counted("29,,another:event,581197,100.00,,\n", event), None);
}

#[test]
fn every_statement_of_the_worker_is_known_by_its_text() {
    for (name, sql) in STATEMENTS {
        assert_eq!(statement(sql, STATEMENTS), *name);
    }
}

#[test]
fn a_statement_is_known_with_parameters_for_its_literals() {
    let (_, commit) = STATEMENTS.iter().find(|(name, _)| *name == "commit").unwrap();
    let counted = commit.replace("'joined'", "$19").replace("'PUBLIC'", "$20");
    assert!(counted.contains("$19") && counted != *commit, "{counted}");
    assert_eq!(statement(&counted, STATEMENTS), "commit");
}

#[test]
fn a_statement_that_nobody_named_is_shown_by_its_first_words() {
    assert_eq!(statement("BEGIN", STATEMENTS), "BEGIN");
    let long = format!("-- Why.\n  SELECT  {}", "a, ".repeat(50));
    let shown = statement(&long, STATEMENTS);
    assert!(shown.starts_with("SELECT a, a,") && shown.len() == 60, "{shown}");
}
