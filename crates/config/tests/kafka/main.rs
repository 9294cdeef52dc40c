//! Ottla's configurations against Apache Kafka 4.3.1: the declarations, and what Kafka's own classes
//! answered to the same questions (`Goldens.java`).

mod facts;
mod goldens;
