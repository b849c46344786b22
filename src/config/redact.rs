//! What may be shown of a database's address: who, where and how, never the password.

/// The address without its password. Where it can't be told what is one, nothing is shown: better an ellipsis too many.
pub(super) fn database_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "…".into() };
    let (who, place) = match rest.rsplit_once('@') {
        Some((who, place)) => (Some(who), place),
        None => (None, rest),
    };
    let (place, query) = place.split_once('?').map_or((place, None), |(place, query)| (place, Some(query)));
    // A password with a slash or a question mark cuts the address at another place than its writer thought.
    let odd = match who {
        Some(who) => who.contains(['/', '?', '#']),
        None => !is_host(place.split('/').next().unwrap_or_default()),
    };
    if odd {
        return format!("{scheme}://…");
    }
    let who = match who {
        None => String::new(),
        Some(who) => match who.split_once(':') {
            Some((user, _)) => format!("{user}:…@"),
            None => format!("{who}@"),
        },
    };
    let query = query.map_or(String::new(), |query| format!("?{}", parameters(query)));
    format!("{scheme}://{who}{place}{query}")
}

fn is_host(text: &str) -> bool {
    let port = text.rsplit_once(':').filter(|_| !text.ends_with(']'));
    port.is_none_or(|(_, port)| port.chars().all(|found| found.is_ascii_digit()))
}

fn parameters(query: &str) -> String {
    let shown = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("pass") => format!("{name}=…"),
        _ => pair.to_owned(),
    };
    query.split('&').map(shown).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::database_url;

    #[test]
    fn passwords_are_never_shown_wherever_they_stand() {
        for (url, shown) in [
            ("postgres://db/x", "postgres://db/x"),
            ("postgres://u@db:5432/x?sslmode=require", "postgres://u@db:5432/x?sslmode=require"),
            ("postgres://u:hunter2@db/x", "postgres://u:…@db/x"),
            ("postgres://u:hun@ter2@db/x", "postgres://u:…@db/x"),
            ("postgres://u:hun/ter2@db/x", "postgres://…"),
            ("postgres://u:hun?ter2@db/x", "postgres://…"),
            ("postgres://db:5432/x?password=hun@ter2", "postgres://…"),
            ("postgres://u:hunter2", "postgres://…"),
            ("postgres:///x?host=/run&password=hunter2&user=u", "postgres:///x?host=/run&password=…&user=u"),
            ("postgres://[::1]:5432/x", "postgres://[::1]:5432/x"),
            ("hunter2", "…"),
        ] {
            assert_eq!(database_url(url), shown);
            assert!(!database_url(url).contains("ter2"), "{url}");
        }
    }
}
