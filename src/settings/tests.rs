use std::path::Path;

use super::*;

fn complete(given: Given) -> Result<Settings, SettingsError> {
    given.complete(|url| (!url.starts_with("http://")).then(|| "no URL".into()))
}

#[test]
fn what_is_given_first_counts() {
    let flags = Given { repo: Some("a".into()), listen: Some("127.0.0.1:1".parse().unwrap()), ..Given::default() };
    let file = Given { repo: Some("b".into()), store: Some("x/m.redb".into()), ..Given::default() };
    let settings = complete(flags.or(file)).unwrap();
    assert_eq!(settings.repo, RepoAddress::Local("a".into()));
    assert_eq!(settings.api, ApiAddress::Unix("x/m.sock".into()));
    assert_eq!(settings.mirror(), Path::new("x/m.mirror.git"));
    assert_eq!(settings.listen.port(), 1);
}

#[test]
fn relative_paths_begin_at_the_settings_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("muster.toml");
    let text = "repo = \"wishes\"\nstore = \"/var/m.redb\"\napi = \"unix:run/m.sock\"\npath = \"a/b\"\n\
                [bmc]\nca = [\"ca.pem\"]\ncredentials_file = \"../secret.toml\"\ncredentials_command = [\"bin/ask\", \"b/c\"]\n\
                [survey]\nsweep = \"5s\"\n";
    std::fs::write(&file, text).unwrap();
    let settings = complete(Given::read(&file).unwrap()).unwrap();
    assert_eq!(
        (settings.repo, settings.store),
        (RepoAddress::Local(folder.path().join("wishes")), "/var/m.redb".into())
    );
    assert_eq!(settings.api, ApiAddress::Unix(folder.path().join("run/m.sock")));
    assert_eq!(settings.path, "a/b");
    assert_eq!(settings.bmc.ca, [folder.path().join("ca.pem")]);
    assert_eq!(settings.bmc.credentials_file, Some(folder.path().join("../secret.toml")));
    let program = folder.path().join("bin/ask").to_string_lossy().into_owned();
    assert_eq!(settings.bmc.credentials_command, [program, "b/c".into()]);
    assert_eq!(settings.survey.sweep, Some(std::time::Duration::from_secs(5)));
    std::fs::write(&file, "[bmc]\nrequest = 5\n").unwrap();
    let error = Given::read(&file).unwrap_err();
    assert!(matches!(&error, SettingsError::Malformed { source, .. } if source.message().contains("request")));
    assert_eq!(Given::read(Path::new("nowhere.toml")).unwrap_err().to_string(), "nowhere.toml: cannot be read");
}

#[test]
fn what_is_empty_is_not_said() {
    let empty = || Some(String::new());
    let given = Given { branch: empty(), api: empty(), advertise: empty(), path: empty(), ..Given::default() };
    let settings = complete(Given { repo: Some("a".into()), ..given }).unwrap();
    assert_eq!((settings.branch, settings.advertise, &*settings.path), (None, None, ""));
    assert_eq!(settings.api, ApiAddress::Unix("muster.sock".into()));
}

#[test]
fn what_cannot_be_used_is_refused() {
    let given = |api: &str| Given { repo: Some("a".into()), api: Some(api.into()), ..Given::default() };
    assert!(matches!(complete(Given::default()), Err(SettingsError::NoRepository)));
    assert!(matches!(complete(given("0.0.0.0:80")), Err(SettingsError::ApiNotLoopback(_))));
    assert!(matches!(complete(given("[::]:80")), Err(SettingsError::ApiNotLoopback(_))));
    assert!(matches!(complete(given("x")), Err(SettingsError::ApiAddress(_))));
    assert_eq!(complete(given("[::1]:80")).unwrap().api.to_string(), "[::1]:80");
    let open = Given { listen: Some("0.0.0.0:8270".parse().unwrap()), ..given("/run/m.sock") };
    assert!(matches!(complete(open), Err(SettingsError::AdvertiseNeeded(_))));
}
