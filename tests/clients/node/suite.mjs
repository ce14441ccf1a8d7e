// Everything that is tried of the official library, in one process.
for (const topic of ["chat", "tools", "structured", "responses", "errors", "streams", "models"]) {
  await import(`./${topic}.mjs`);
}
