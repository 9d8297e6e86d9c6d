import { EXAMINATIONS } from '#wanmark/doctor/examinations.js';

/** The text of docs/doctor.md: each examination and each line of it, as the code has them. */
export function doctorPage(): string {
  return `<!-- Written by \`npm run docs\` from src/doctor/examinations/ and test/docs/doctor-page.ts. -->

# What is wrong

\`wanmark doctor\` looks at all that connections depend on, and says of each thing whether it is well, and of what is not what to
do. It works with a daemon and without one, changes nothing, and takes one to four seconds.

\`\`\`
$ wanmark doctor --config /etc/wanmark.yaml
wrong    rules: missing: ip -4 rule priority 20002 from 192.0.2.2 lookup 1001
         -> the daemon puts it back; look again
ok       daemon: 402 decides as the rules do
wrong    gateways: dsl: 198.51.100.1 on eth2 does not answer (ARP)
         -> look at the modem and its cable, and at via
ok       gateways: fibre (192.0.2.1)
warning  checks: fibre, IPv4: ping 9.9.9.9: timeout
         -> choose another target
...

14 ok, 1 warning, 2 wrong
\`\`\`

It asks by each WAN, so it needs \`CAP_NET_ADMIN\` (root). The configuration is that of the last \`up\`, or the one that is given: with
\`--config FILE\`, or the flags of \`run\`, it also knows the checks exactly, and sees whether the rules are of that configuration.
Before the first \`up\` it says with a configuration whether the machine is ready.

| exit code | meaning |
|---|---|
| 0 | all is well, or there are only warnings |
| 1 | something is wrong; or nothing could be looked at, as without \`up\` and without a configuration |
| 2 | the usage or the configuration is wrong |

\`--json\` prints one object: \`daemon\` (its process, or null), \`wrong\` and \`warnings\` (how many), and \`findings\`, each with
\`examination\`, \`kind\`, \`level\` (\`ok\`, \`warning\`, \`wrong\`), \`text\`, and \`todo\` where it is not well. \`examination\` and \`kind\` are
those below, and stay. On a terminal the levels have colours, unless \`NO_COLOR\` is set.

A script of a check is run as the daemon runs it. Gateways are asked by the kernel, as it does itself when it needs them.

${EXAMINATIONS.map(section).join('\n\n')}
`;
}

function section({ name, asks, kinds }: (typeof EXAMINATIONS)[number]): string {
  const rows = Object.entries(kinds).map(
    ([kind, { level, means, todo }]) => `| \`${kind}\` | ${level} | ${means} | ${todo} |`,
  );
  return [
    `## ${name}`,
    '',
    asks,
    '',
    '| line | level | what it means | what to do |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n');
}
