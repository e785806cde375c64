//! The program: hands its arguments to [`muster::cli`] and returns its exit code.

fn main() -> std::process::ExitCode {
    muster::cli::main()
}
