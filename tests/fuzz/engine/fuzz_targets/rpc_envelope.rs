#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| nova_fuzz_engine::run("rpc_envelope", data));
