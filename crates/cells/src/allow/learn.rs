//! Learning: the list that lets today's mappings pass and nothing else, as a start for an operator to edit.

use std::fmt::Write as _;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::location::Host;
use crate::mapping::CellMapping;

use super::rule::Wanted;
use super::{AllowList, Leg, wanted};

impl AllowList {
    /// The text of a list for these mappings: one rule for each place, naming the cells it is for. It holds no logins.
    ///
    /// `resolve` gives the addresses of a host name, which become the rule's networks; a name it knows none for gets an
    /// empty list, which lets no address pass until an operator fills it in.
    #[must_use]
    pub fn learn<'m>(
        mappings: impl IntoIterator<Item = &'m CellMapping>,
        mut resolve: impl FnMut(&str) -> Vec<IpAddr>,
    ) -> String {
        let mut text = String::from("version = 1\n");
        for mapping in mappings {
            for leg in [Leg::Database, Leg::Transport] {
                for place in wanted(mapping, leg) {
                    let _infallible = rule(&mut text, mapping, leg, &place, &mut resolve);
                }
            }
        }
        text
    }
}

fn rule(
    text: &mut String,
    mapping: &CellMapping,
    leg: Leg,
    place: &Wanted<'_>,
    resolve: &mut impl FnMut(&str) -> Vec<IpAddr>,
) -> std::fmt::Result {
    let table = match leg {
        Leg::Database => "database",
        Leg::Transport => "transport",
    };
    writeln!(text, "\n# {}", mapping.label())?;
    writeln!(text, "[[{table}]]\nschemes = [{}]", quoted(place.scheme()))?;
    writeln!(text, "cells = [{}]", quoted(&mapping.id().to_string()))?;
    match place {
        Wanted::File(path) => writeln!(text, "files = [{}]", quoted(&path.to_string_lossy())),
        Wanted::InProcess(name) => writeln!(text, "names = [{}]", quoted(name)),
        Wanted::Server {
            host,
            port,
            name,
            tls,
            ..
        } => {
            let addresses = match host {
                Host::Address(address) => vec![*address],
                Host::Name(name) => {
                    writeln!(text, "hosts = [{}]", quoted(name))?;
                    resolve(name)
                }
            };
            let networks: Vec<String> = addresses
                .into_iter()
                .map(|address| quoted(&IpNet::from(address.to_canonical()).to_string()))
                .collect();
            writeln!(text, "networks = [{}]", networks.join(", "))?;
            writeln!(text, "ports = [{port}]\nnames = [{}]", quoted(name))?;
            let tls = if *tls { "required" } else { "optional" };
            writeln!(text, "tls = {}", quoted(tls))
        }
    }
}

/// A TOML string; what a mapping holds can be any text.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
