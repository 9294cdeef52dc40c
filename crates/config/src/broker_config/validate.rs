//! Rules that bind several keys (Kafka's `KafkaConfig.validateValues`), with Kafka's texts.

use super::BrokerConfig;
use super::groups;
use crate::error::{ConfigError, ErrorKind, Warning};
use crate::quorum_address::is_host_char;

impl BrokerConfig {
    /// Everything that is wrong with this configuration as a whole; adds to the warnings what is only odd.
    pub(super) fn validate(&self, warnings: &mut Vec<Warning>) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        self.validate_ids_and_logs(&mut errors);
        self.validate_replication(&mut errors, warnings);
        self.validate_roles(&mut errors, warnings);
        if self.roles.broker {
            self.validate_broker_listeners(&mut errors);
            self.validate_cordoned_log_dirs(&mut errors);
        }
        self.validate_early_start_listeners(&mut errors);
        self.validate_advertised_hosts(&mut errors);
        self.validate_sockets(&mut errors);
        errors.extend(groups::validate(&self.values));
        if self.groups.min_session_timeout_ms > self.groups.max_session_timeout_ms {
            warnings.push(Warning::Note(
                "group.min.session.timeout.ms is greater than group.max.session.timeout.ms: no member can \
                 join a classic group"
                    .to_owned(),
            ));
        }
        errors
    }

    fn validate_ids_and_logs(&self, errors: &mut Vec<ConfigError>) {
        if self.values.int("broker.id") != self.node_id {
            let message = "You must set `node.id` to the same value as `broker.id`.";
            errors.push(ConfigError::config(message).for_key("broker.id").hint("give only node.id"));
        }
        let topics = &self.topic_defaults;
        let dedupe_bytes = self.values.long("log.cleaner.dedupe.buffer.size");
        let cleaner_threads = i64::from(self.values.int("log.cleaner.threads"));
        let rules = [
            (topics.segment_ms >= 1, "log.roll.ms", "log.roll.ms must be greater than or equal to 1"),
            (
                topics.segment_jitter_ms >= 0,
                "log.roll.jitter.ms",
                "log.roll.jitter.ms must be greater than or equal to 0",
            ),
            (
                topics.retention_ms >= 1 || topics.retention_ms == -1,
                "log.retention.ms",
                "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
            ),
            (
                !self.storage.log_dirs.is_empty(),
                "log.dirs",
                "At least one log directory must be defined via log.dirs or log.dir.",
            ),
            (
                // Kafka divides by zero here if there is no thread, and does not start either.
                dedupe_bytes.checked_div(cleaner_threads).is_some_and(|bytes| bytes > 1024 * 1024),
                "log.cleaner.dedupe.buffer.size",
                "log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
            ),
        ];
        for (holds, key, message) in rules {
            require(errors, holds, key, || message.to_owned());
        }
    }

    fn validate_replication(&self, errors: &mut Vec<ConfigError>, warnings: &mut Vec<Warning>) {
        let wait_ms = self.values.int("replica.fetch.wait.max.ms");
        require(
            errors,
            wait_ms <= self.values.int("replica.socket.timeout.ms"),
            "replica.socket.timeout.ms",
            || {
                "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent \
                 unnecessary socket timeouts"
                    .to_owned()
            },
        );
        let lag_ms = self.topics.replica_lag_time_max_ms;
        require(errors, i64::from(wait_ms) <= lag_ms, "replica.fetch.wait.max.ms", || {
            "replica.fetch.wait.max.ms should always be less than or equal to replica.lag.time.max.ms to \
             prevent frequent changes in ISR"
                .to_owned()
        });
        let heartbeat_ms = self.values.int("broker.heartbeat.interval.ms");
        let session_ms = self.values.int("broker.session.timeout.ms");
        if i64::from(heartbeat_ms) * 2 > i64::from(session_ms) {
            warnings.push(Warning::Note(format!(
                "broker.heartbeat.interval.ms ({heartbeat_ms} ms) must be less than or equal to half of the \
                 broker.session.timeout.ms ({session_ms} ms), or the broker may lose its lease"
            )));
        }
    }

    fn validate_roles(&self, errors: &mut Vec<ConfigError>, warnings: &mut Vec<Warning>) {
        let quorum_known = !self.quorum.voters.is_empty() || !self.quorum.bootstrap_servers.is_empty();
        if !quorum_known && !self.standalone {
            let message = "If using process.roles, either controller.quorum.bootstrap.servers must contain \
                           the set of bootstrap controllers or controller.quorum.voters must contain a \
                           parseable set of controllers.";
            let hint = "for a node on its own leave process.roles out";
            errors.push(ConfigError::config(message).for_key("process.roles").hint(hint));
        }
        if self.roles.controller {
            self.validate_controller(errors);
        }
        match (self.roles.broker, self.roles.controller) {
            (true, false) => self.validate_broker_only(errors, warnings),
            (false, true) => self.validate_controller_only(errors),
            _ => {}
        }
    }

    fn validate_controller(&self, errors: &mut Vec<ConfigError>) {
        let voters = &self.quorum.voters;
        let is_voter = voters.is_empty() || voters.iter().any(|voter| voter.id == self.node_id);
        require(errors, is_voter, "controller.quorum.voters", || {
            format!(
                "If process.roles contains the 'controller' role, the node id {} must be included in the \
                 set of voters controller.quorum.voters={}",
                self.node_id,
                self.shown_voter_ids()
            )
        });
        let names = &self.listeners.controller_listener_names;
        if self.standalone && names.is_empty() {
            return;
        }
        let key = "controller.listener.names";
        require(errors, !self.listeners.controller_advertised.is_empty(), key, || {
            "controller.listener.names must contain at least one value appearing in the 'listeners' \
             configuration when running the KRaft controller role"
                .to_owned()
        });
        let opened = self.opened_listener_names();
        require(errors, names.iter().all(|name| opened.contains(&name.as_str())), key, || {
            "controller.listener.names must only contain values appearing in the 'listeners' configuration \
             when running the KRaft controller role"
                .to_owned()
        });
    }

    fn validate_broker_only(&self, errors: &mut Vec<ConfigError>, warnings: &mut Vec<Warning>) {
        let key = "controller.listener.names";
        let is_voter = self.quorum.voters.iter().any(|voter| voter.id == self.node_id);
        require(errors, !is_voter, "controller.quorum.voters", || {
            format!(
                "If process.roles contains just the 'broker' role, the node id {} must not be included in \
                 the set of voters controller.quorum.voters={}",
                self.node_id,
                self.shown_voter_ids()
            )
        });
        require(errors, self.listeners.for_controllers().next().is_none(), key, || {
            "controller.listener.names must not contain a value appearing in the 'listeners' configuration \
             when running KRaft with just the broker role"
                .to_owned()
        });
        for name in &self.listeners.controller_listener_names {
            if !self.listeners.security_protocol_map.contains_key(&name.to_uppercase()) {
                let message = format!(
                    "Controller listener with name {} defined in controller.listener.names not found in \
                     listener.security.protocol.map  (an explicit security mapping for each controller \
                     listener is required if listener.security.protocol.map is non-empty, or if there are \
                     security protocols other than PLAINTEXT in use)",
                    name.to_uppercase()
                );
                errors.push(ConfigError::config(message).for_key(key));
            }
        }
        require(errors, !self.quorum.auto_join, "controller.quorum.auto.join.enable", || {
            "controller.quorum.auto.join.enable is only supported when process.roles contains the 'controller' role."
                .to_owned()
        });
        for key in ["create.topic.policy.class.name", "alter.config.policy.class.name"] {
            if self.originals.contains_key(key) {
                let text =
                    format!("{key} is defined in broker. It should be defined in the controller role.");
                warnings.push(Warning::Note(text));
            }
        }
    }

    fn validate_controller_only(&self, errors: &mut Vec<ConfigError>) {
        let listeners = &self.listeners;
        let all_advertised = listeners.controller_advertised.len() == listeners.listeners.len();
        require(errors, all_advertised, "listeners", || {
            "The listeners config must only contain KRaft controller listeners from \
             controller.listener.names when process.roles=controller"
                .to_owned()
        });
        let inter_broker_is_controller = self.values.opt_string("inter.broker.listener.name").is_some()
            && listeners.controller_listener_names.contains(&listeners.inter_broker_listener_name);
        require(errors, !inter_broker_is_controller, "controller.listener.names", || {
            "controller.listener.names must not contain an explicitly set inter.broker.listener.name \
             configuration value when process.roles=controller'"
                .to_owned()
        });
    }

    fn validate_broker_listeners(&self, errors: &mut Vec<ConfigError>) {
        let listeners = &self.listeners;
        let advertised: Vec<&str> = listeners.advertised.iter().map(|e| e.listener.as_str()).collect();
        let opened = self.opened_listener_names();
        require(errors, !advertised.is_empty(), "advertised.listeners", || {
            "There must be at least one broker advertised listener. Perhaps all listeners appear in \
             controller.listener.names?"
                .to_owned()
        });
        let inter_broker = listeners.inter_broker_listener_name.as_str();
        require(errors, advertised.contains(&inter_broker), "inter.broker.listener.name", || {
            format!(
                "inter.broker.listener.name must be a listener name defined in advertised.listeners. The \
                 valid options based on currently configured listeners are {}",
                advertised.join(",")
            )
        });
        require(errors, advertised.iter().all(|name| opened.contains(name)), "advertised.listeners", || {
            format!(
                "advertised.listeners listener names must be equal to or a subset of the ones defined in \
                 listeners. Found {}. The valid options based on the current configuration are {}",
                advertised.join(","),
                opened.join(",")
            )
        });
    }

    fn validate_cordoned_log_dirs(&self, errors: &mut Vec<ConfigError>) {
        let key = "cordoned.log.dirs";
        let given = self.values.list(key);
        if given.iter().any(|dir| dir == "*") {
            require(errors, given.len() == 1, key, || {
                "When cordoned.log.dirs is set to *, it must not contain other values".to_owned()
            });
            return;
        }
        let unknown: Vec<&str> =
            given.iter().filter(|dir| !self.storage.log_dirs.contains(dir)).map(String::as_str).collect();
        require(errors, unknown.is_empty(), key, || {
            format!(
                "All entries in cordoned.log.dirs must be present in log.dirs or log.dir. Missing entries : {}",
                unknown.join(", ")
            )
        });
    }

    fn validate_advertised_hosts(&self, errors: &mut Vec<ConfigError>) {
        let everywhere = self
            .listeners
            .advertised
            .iter()
            .chain(&self.listeners.controller_advertised)
            .any(|endpoint| endpoint.host.as_deref() == Some("0.0.0.0"));
        require(errors, !everywhere, "advertised.listeners", || {
            "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address."
                .to_owned()
        });
    }

    fn validate_sockets(&self, errors: &mut Vec<ConfigError>) {
        let sockets = &self.sockets;
        let queued = sockets.queued_max_request_bytes;
        let fits = queued <= 0 || queued >= i64::from(sockets.request_max_bytes);
        require(errors, fits, "queued.max.request.bytes", || {
            "queued.max.request.bytes must be larger or equal to socket.request.max.bytes".to_owned()
        });
        let overrides = &sockets.max_connections_per_ip_overrides;
        let some_allowed = sockets.max_connections_per_ip != 0 || !overrides.is_empty();
        require(errors, some_allowed, "max.connections.per.ip", || {
            "max.connections.per.ip can be set to zero only if max.connections.per.ip.overrides property is set."
                .to_owned()
        });
        let invalid: Vec<&str> =
            overrides.keys().filter(|host| !host.chars().all(is_host_char)).map(String::as_str).collect();
        if !invalid.is_empty() {
            let message = format!(
                "max.connections.per.ip.overrides contains invalid addresses : {}",
                invalid.join(",")
            );
            let error = ConfigError::new(ErrorKind::IllegalArgument, message);
            errors.push(error.for_key("max.connections.per.ip.overrides"));
        }
        let delay_ms = i64::from(self.values.int("connection.failed.authentication.delay.ms"));
        let idle_ms = sockets.connections_max_idle_ms;
        require(errors, idle_ms < 0 || delay_ms < idle_ms, "connections.max.idle.ms", || {
            format!(
                "connection.failed.authentication.delay.ms={delay_ms} should always be less than \
                 connections.max.idle.ms={idle_ms} to prevent failed authentication responses from timing out"
            )
        });
    }

    fn validate_early_start_listeners(&self, errors: &mut Vec<ConfigError>) {
        let key = "early.start.listeners";
        let opened = self.opened_listener_names();
        let names = self.values.list(key).iter().map(|name| name.trim()).filter(|name| !name.is_empty());
        for name in names.filter(|name| !opened.contains(name)) {
            let message = format!(
                "early.start.listeners contains listener {name}, but this is not contained in listeners or \
                 controller.listener.names"
            );
            errors.push(ConfigError::config(message).for_key(key));
        }
    }

    fn opened_listener_names(&self) -> Vec<&str> {
        self.listeners.listeners.iter().map(|listener| listener.endpoint.listener.as_str()).collect()
    }

    fn shown_voter_ids(&self) -> String {
        let ids: Vec<String> = self.quorum.voters.iter().map(|voter| voter.id.to_string()).collect();
        format!("Set({})", ids.join(", "))
    }
}

fn require(errors: &mut Vec<ConfigError>, holds: bool, key: &str, message: impl FnOnce() -> String) {
    if !holds {
        errors.push(ConfigError::requirement(message()).for_key(key));
    }
}
