# Thin on purpose: each target sets up what it needs and calls cargo.
.PHONY: run demo test bench check-platforms package

run: ; @scripts/setup run && scripts/run
demo: ; @scripts/setup run && scripts/demo
test: ; @scripts/setup test && scripts/test
bench: ; @scripts/setup run && cargo bench -p codex-router-benches --bench overhead --bench parts
check-platforms: ; @scripts/setup platforms && scripts/check-platforms
package: ; @scripts/setup package && scripts/package
