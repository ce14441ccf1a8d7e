//! The standard tests that `LangChain` has for chat models, with `ChatOpenAI`.

use crate::child::installed;
use crate::python::interpreter;
use crate::sdk::suite;

#[test]
fn langchains_standard_tests_pass() {
    suite(
        || {
            let mut pytest = interpreter();
            // It leaves nothing behind: neither a cache nor compiled files.
            pytest.args(["-B", "-m", "pytest"]);
            pytest.current_dir(installed("python/langchain_standard"));
            pytest
        },
        |_| {},
    );
}
