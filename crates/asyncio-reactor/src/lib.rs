//! Readiness of descriptors, registered once and remembered.
