// Tells the harness what was proved; tests/clients/fidelity/mod.rs reads it.
let column = "openai (JavaScript)";

export function forClient(name) {
  column = name;
}

export function table(name) {
  console.log(`table: ${name} | ${column}`);
}

export function proved(feature, outcome = "ok") {
  console.log(`feature: ${feature}: ${outcome}`);
}
