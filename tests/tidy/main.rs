//! House rules that a machine can hold: what the source imports, how files look, and that documents promise only what
//! is there. Apart from the other tests, since it needs no service and reads text, not behaviour.

#[cfg(test)]
mod arrows;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod files;
#[cfg(test)]
mod migrations;
#[cfg(test)]
mod monitoring;
#[cfg(test)]
mod mutants;
#[cfg(test)]
mod provisioning;
#[cfg(test)]
mod rust;
#[cfg(test)]
mod tree;
