//! Mathematics and formats of trust: SM2 keys, X.509, electronic seals, time-stamp tokens. No I/O, no clock.
