// Reads an AsyncAPI document with the official parser: not ours. Usage: check.mjs FILE; modules lie where NODE_PATH says.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { Parser } = createRequire(`${process.env.NODE_PATH}/`)("@asyncapi/parser");
const file = process.argv[2];
const { document, diagnostics } = await new Parser().parse(readFileSync(file, "utf8"), { source: file });
// 0 is an error, 1 a warning; hints about what else a document could have are no concern of ours.
const findings = diagnostics.filter(({ severity }) => severity <= 1);
for (const { severity, message, path } of findings) {
    console.error(`${severity === 0 ? "error" : "warning"}: ${file}: /${path.join("/")}: ${message}`);
}
if (!document || findings.length > 0) process.exit(1);
const { length } = document.operations().all();
if (length === 0) throw new Error(`${file} has no operations`);
