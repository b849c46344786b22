//! The manifests: what they name is there, in the program and in each other, and nothing in them may more than it needs.

use super::path;
use std::{collections::BTreeSet, fs};
use yaml_rust2::{Yaml, YamlLoader};
use yinxin::{
    cli,
    config::{Config, KEYS, Key},
};

/// Every document of every file.
fn documents() -> Vec<(String, Yaml)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path("kubernetes")).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|extension| extension == "yaml") {
            let name = entry.file_name().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&entry).unwrap();
            let parsed = YamlLoader::load_from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            found.extend(parsed.into_iter().map(|document| (name.clone(), document)));
        }
    }
    assert!(found.len() > 15, "{}", found.len());
    found
}

fn of_kind(kind: &str) -> Vec<Yaml> {
    let all = documents().into_iter().map(|(_, document)| document);
    all.filter(|document| document["kind"].as_str() == Some(kind)).collect()
}

/// Every pod's specification: of the nodes, of the migration, of the backup.
fn pods() -> Vec<(String, Yaml)> {
    let mut found = Vec::new();
    for (name, document) in documents() {
        let pod = match document["kind"].as_str() {
            Some("StatefulSet" | "Job") => &document["spec"]["template"]["spec"],
            Some("CronJob") => &document["spec"]["jobTemplate"]["spec"]["template"]["spec"],
            _ => continue,
        };
        found.push((name, pod.clone()));
    }
    assert_eq!(found.len(), 3);
    found
}

fn list(yaml: &Yaml) -> &[Yaml] {
    yaml.as_vec().map(Vec::as_slice).unwrap_or_default()
}

fn texts(yaml: &Yaml) -> Vec<&str> {
    list(yaml).iter().filter_map(Yaml::as_str).collect()
}

#[test]
fn every_manifest_is_whole() {
    for (file, document) in documents() {
        assert!(document["apiVersion"].as_str().is_some(), "{file}");
        let named = document["metadata"]["name"].as_str().is_some();
        assert!(named || document["kind"].as_str() == Some("Kustomization"), "{file}");
    }
    let named: BTreeSet<String> = of_kind("Kustomization")[0]["resources"]
        .as_vec()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap().into())
        .collect();
    let there: BTreeSet<String> = documents().into_iter().map(|(file, _)| file).collect();
    let left_out: Vec<_> = there.difference(&named).collect();
    assert_eq!(left_out, ["kustomization.yaml", "secrets.example.yaml"]);
}

#[test]
fn every_container_calls_a_command_that_there_is_with_settings_that_there_are() {
    for (file, pod) in pods() {
        for container in list(&pod["containers"]) {
            let arguments = texts(&container["args"]);
            let parsed = cli::tree().try_get_matches_from(["yinxin"].iter().chain(&arguments));
            assert!(parsed.is_ok(), "{file}: {arguments:?}: {}", parsed.unwrap_err());
            for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                let command = texts(&container[probe]["exec"]["command"]);
                let parsed = cli::tree().try_get_matches_from(&command);
                assert!(command.is_empty() || parsed.is_ok(), "{file}: {command:?}");
            }
            for variable in list(&container["env"]) {
                let name = variable["name"].as_str().unwrap();
                let known = name == "CREDENTIALS_DIRECTORY" || Key::of_variable(name).is_some();
                assert!(known, "{file}: {name}");
            }
            let places: Vec<&str> = list(&container["volumeMounts"])
                .iter()
                .filter_map(|mount| mount["mountPath"].as_str())
                .collect();
            for variable in list(&container["env"]) {
                // A volume's own directory may be everybody's (an emptyDir is), which the daemon refuses: it makes one in it.
                let is_volume = places.iter().any(|place| Some(*place) == variable["value"].as_str());
                assert!(!is_volume || variable["name"].as_str() != Some("YINXIN_DATA_DIR"), "{file}");
                // What is written or read in a container has to be put there.
                let Some(value) = variable["value"].as_str().filter(|value| value.starts_with('/')) else {
                    continue;
                };
                assert!(places.iter().any(|place| value.starts_with(place)), "{file}: {value} of {places:?}");
            }
        }
    }
}

#[test]
fn no_pod_may_more_than_it_needs() {
    for (file, pod) in pods() {
        assert_eq!(pod["automountServiceAccountToken"].as_bool(), Some(false), "{file}");
        let whole = &pod["securityContext"];
        assert_eq!(whole["runAsNonRoot"].as_bool(), Some(true), "{file}");
        assert_eq!(whole["runAsUser"].as_i64(), Some(65532), "{file}");
        assert_eq!(whole["seccompProfile"]["type"].as_str(), Some("RuntimeDefault"), "{file}");
        for volume in list(&pod["volumes"]) {
            assert!(volume["hostPath"].is_badvalue(), "{file}");
        }
        for container in list(&pod["containers"]) {
            let own = &container["securityContext"];
            assert_eq!(own["allowPrivilegeEscalation"].as_bool(), Some(false), "{file}");
            assert_eq!(own["readOnlyRootFilesystem"].as_bool(), Some(true), "{file}");
            assert_eq!(texts(&own["capabilities"]["drop"]), ["ALL"], "{file}");
            assert!(own["capabilities"]["add"].is_badvalue(), "{file}");
            assert!(container["resources"]["limits"]["memory"].as_str().is_some(), "{file}");
            assert!(container["resources"]["requests"]["memory"].as_str().is_some(), "{file}");
        }
    }
}

/// The configuration of the nodes, as the daemon reads it beside its credentials.
fn configuration() -> Config {
    read("yinxin.toml", &nodes()["spec"]["template"]["spec"]).unwrap()
}

/// A file of the ConfigMap, read as a pod reads it whose secrets these are.
fn read(name: &str, pod: &Yaml) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let credentials = folder.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    for name in credentials_of(pod) {
        let content = if name == "database-url" { "postgres://yinxin@db/yinxin" } else { "x" };
        fs::write(credentials.join(&name), content).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o440);
        fs::set_permissions(credentials.join(name), mode).unwrap();
    }
    let maps = of_kind("ConfigMap");
    let toml = maps.iter().find_map(|map| map["data"][name].as_str()).unwrap();
    let file = folder.path().join(name);
    fs::write(&file, toml).unwrap();
    let variables = [
        ("CREDENTIALS_DIRECTORY".to_owned(), credentials.display().to_string()),
        ("YINXIN_NODE".to_owned(), "yinxin-0".to_owned()),
    ];
    Config::load(Some(&file), variables).map_err(|error| error.to_string())
}

#[test]
fn a_node_that_leaves_is_announced_for_as_long_as_balancers_need() {
    let nodes = nodes();
    let pod = &nodes["spec"]["template"]["spec"];
    let probe = &pod["containers"][0]["readinessProbe"];
    let seconds = |yaml: &Yaml| u64::try_from(yaml.as_i64().unwrap()).unwrap();
    let noticed = seconds(&probe["failureThreshold"])
        * (seconds(&probe["periodSeconds"]) + seconds(&probe["timeoutSeconds"]));
    let announced = configuration().listen.announce.as_secs();
    assert!(announced > noticed, "{announced} s announced, noticed within {noticed} s");
    let stop = yinxin::http::Limits::default().stop.as_secs();
    let grace = seconds(&pod["terminationGracePeriodSeconds"]);
    assert!(
        grace >= announced + stop + 10,
        "killed {grace} s after the word, {announced} s of them announced"
    );
}

#[test]
fn every_pod_has_the_authority_that_its_database_s_address_names() {
    let secrets = of_kind("Secret");
    let urls = secrets
        .iter()
        .flat_map(|secret| ["database-url", "owner-url"].map(|name| &secret["stringData"][name]));
    let urls: Vec<&str> = urls.filter_map(Yaml::as_str).collect();
    assert_eq!(urls.len(), 2);
    let maps = of_kind("ConfigMap");
    for url in urls {
        let (_, query) = url.split_once('?').unwrap();
        let named = |name: &str| {
            query.split('&').filter_map(|pair| pair.split_once('=')).find(|(found, _)| *found == name)
        };
        assert_eq!(named("sslmode").map(|(_, mode)| mode), Some("verify-full"), "{url}");
        let (_, root) =
            named("sslrootcert").unwrap_or_else(|| panic!("an image from scratch trusts nobody: {url}"));
        for (file, pod) in pods() {
            let mounts = list(&pod["containers"][0]["volumeMounts"]);
            let mount = mounts.iter().find(|mount| {
                mount["mountPath"].as_str().is_some_and(|place| root.starts_with(&format!("{place}/")))
            });
            let mount = mount.unwrap_or_else(|| panic!("{file}: nothing is put at {root}"));
            let volume = list(&pod["volumes"]).iter().find(|volume| volume["name"] == mount["name"]).unwrap();
            let map = maps.iter().find(|map| map["metadata"]["name"] == volume["configMap"]["name"]).unwrap();
            let key = root.rsplit('/').next().unwrap();
            assert!(map["data"][key].as_str().is_some(), "{file}: {key}");
        }
    }
}

#[test]
fn the_backup_s_pod_has_no_listener_s_keys_and_the_nodes_recipients() {
    let (_, pod) = pods().into_iter().find(|(file, _)| file == "backup.yaml").unwrap();
    let credentials = credentials_of(&pod);
    assert!(credentials.iter().all(|name| !name.contains("tls")), "{credentials:?}");
    let config = read("backup.toml", &pod).unwrap();
    assert_eq!(config.backup.recipients.len(), configuration().backup.recipients.len());
}

#[test]
fn tables_and_rights_are_brought_up_to_date_together() {
    let (_, pod) = pods().into_iter().find(|(file, _)| file == "migrate.yaml").unwrap();
    assert_eq!(texts(&pod["containers"][0]["args"]), ["migrate", "--grant"]);
}

fn nodes() -> Yaml {
    of_kind("StatefulSet").remove(0)
}

/// The names under which a pod finds its secrets.
fn credentials_of(pod: &Yaml) -> Vec<String> {
    let volumes = list(&pod["volumes"]).iter();
    let credentials = volumes.filter(|volume| volume["name"].as_str() == Some("credentials"));
    let sources = credentials.flat_map(|volume| list(&volume["projected"]["sources"]));
    let items = sources.flat_map(|source| list(&source["secret"]["items"]));
    items.map(|item| item["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_nodes_are_configured_as_their_manifest_says() {
    let config = configuration();
    let nodes = nodes();
    let pod = &nodes["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let port = |name: &str| {
        let ports = list(&container["ports"]).iter();
        let found = ports
            .filter(|port| port["name"].as_str() == Some(name))
            .find_map(|port| port["containerPort"].as_i64());
        u16::try_from(found.unwrap()).unwrap()
    };
    assert_eq!(config.listen.address.port(), port("https"));
    assert_eq!(config.listen.administration.as_ref().map(|own| own.address.port()), Some(port("admin")));
    assert!(config.listen.tls.is_some() && config.listen.administration.unwrap().tls.is_some());
    let places = list(&container["volumeMounts"]).iter().filter_map(|mount| mount["mountPath"].as_str());
    let socket = config.listen.socket.unwrap();
    assert!(places.clone().any(|place| socket.starts_with(place)), "{}", socket.display());
    for name in credentials_of(pod) {
        assert!(KEYS.iter().any(|key| key.credential == Some(&*name)), "{name}");
    }
    // Over the socket: a crowd at the public door must not be the end of a node. And without the database, but for readiness.
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let asked = texts(&container[probe]["exec"]["command"]);
        assert!(asked.contains(&"health"), "{probe}: {asked:?}");
        assert_eq!(asked.contains(&"--alive"), probe != "readinessProbe", "{probe}: {asked:?}");
        assert!(
            container[probe]["timeoutSeconds"].as_i64() > Some(5),
            "{probe}: the command's own patience is 5 s"
        );
    }
    for service in of_kind("Service") {
        for offered in list(&service["spec"]["ports"]) {
            port(offered["targetPort"].as_str().unwrap());
        }
    }
}

#[test]
fn three_nodes_lie_on_three_hosts_and_leave_one_by_one() {
    let nodes = nodes();
    assert_eq!(nodes["spec"]["replicas"].as_i64(), Some(3));
    let labels = &nodes["spec"]["template"]["metadata"]["labels"];
    let budget = &of_kind("PodDisruptionBudget")[0]["spec"];
    assert_eq!(&budget["selector"]["matchLabels"], labels);
    assert_eq!(budget["maxUnavailable"].as_i64(), Some(1));
    assert_eq!(&nodes["spec"]["selector"]["matchLabels"], labels);
    let apart = &nodes["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"];
    let rule = &apart["requiredDuringSchedulingIgnoredDuringExecution"][0];
    assert_eq!(rule["topologyKey"].as_str(), Some("kubernetes.io/hostname"));
    assert_eq!(&rule["labelSelector"]["matchLabels"], labels);
}
