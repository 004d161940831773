//! `tessera-chaos`: see the library.

fn main() -> std::process::ExitCode {
    tessera_chaos::main()
}
