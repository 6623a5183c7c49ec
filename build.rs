//! Tells cargo that the migrations are part of the program: a new file in their folder is otherwise not built in until
//! something else changes.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
