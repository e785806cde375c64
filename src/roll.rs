//! Which machine is which node.
use crate::observed::{Failure, Reading, Service, System};
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfound {
    #[error("it has no such System")]
    None,
    #[error("several")]
    Several,
    #[error("unread: {0}")]
    Unread(Failure),
}
pub fn system_of<'o>(wanted: Option<&str>, service: &'o Service) -> Result<&'o System, Unfound> {
    let systems = match &service.systems {
        Reading::Seen(s) => s,
        Reading::Failed(f) => return Err(Unfound::Unread(f.clone())),
        _ => return Err(Unfound::None),
    };
    match wanted {
        Some(w) => systems.iter().find(|s| *s.id == *w).ok_or(Unfound::None),
        None => match systems.as_slice() {
            [] => Err(Unfound::None),
            [one] => Ok(one),
            _ => Err(Unfound::Several),
        },
    }
}
