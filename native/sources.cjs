/**
 * Says which sources an addon is built of: a hash of everything that goes into it. The build writes it into the addon
 * (`node native/sources.cjs HEADER`), and src/native.ts compares it with the files that lie here now. This is no part of
 * src, since the addon is built where no TypeScript has been compiled yet.
 */
const { createHash } = require('node:crypto');
const { readdirSync, readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');

/** @returns {string} 16 hexadecimal digits */
function nativeSources() {
  const hash = createHash('sha256').update(readFileSync(join(__dirname, '../binding.gyp')));
  const files = readdirSync(__dirname, { recursive: true }).filter((name) => /\.(cc|h)$/.test(name));
  for (const name of files.sort()) hash.update(`${name}\n`).update(readFileSync(join(__dirname, name)));
  return hash.digest('hex').slice(0, 16);
}

module.exports = { nativeSources };

if (require.main === module)
  writeFileSync(process.argv[2], `inline constexpr char kSources[] = "${nativeSources()}";\n`);
