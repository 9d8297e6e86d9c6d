/** A command line, and what it does. */
export type Example = readonly [line: string, does: string];

const FILE = '--config /etc/wanmark.yaml';

/** The examples that `--help` and the manual have, by command. */
export const EXAMPLES: Readonly<Record<string, readonly Example[]>> = {
  run: [
    [`wanmark run ${FILE} --up`, 'rules and daemon by one command; wanmark down takes the rules away'],
    [
      'wanmark run --wan fibre,dev=eth1,via=192.0.2.1 --wan dsl,dev=ppp0 --check all=ping,to=1.1.1.1+9.9.9.9',
      'two uplinks, probed through each',
    ],
  ],
  up: [
    [`wanmark up ${FILE}`, 'from a file'],
    [
      'wanmark up --wan fibre,dev=eth1,via=192.0.2.1,weight=5 --wan dsl,dev=ppp0 --engine kernel',
      'five to one, without a daemon',
    ],
    [
      'wanmark up --wan fibre,dev=eth1,via=auto --wan lte,dev=wwan0,via=dev,tier=2',
      'LTE while the fibre is down',
    ],
  ],
  down: [['wanmark down', 'needs no options']],
  refresh: [['wanmark refresh', 'in the hook of a DHCP client, with the configuration of the last up']],
  check: [
    ['wanmark check', 'against the configuration of the last up'],
    [`wanmark check ${FILE}`, 'also says whether the rules are of that file'],
  ],
  print: [[`wanmark print ${FILE} > wanmark.sh`, 'sh wanmark.sh up, and down']],
  status: [
    ['wanmark status --watch', 'again each second'],
    [
      'wanmark status connections --wan dsl --client 192.168.9.0/24',
      'who uses the DSL line, of these clients',
    ],
    ['wanmark status rules', 'what each --rule took'],
  ],
  top: [['wanmark top', 'q leaves']],
  events: [['wanmark events --since 2h', 'the last two hours']],
  doctor: [
    ['wanmark doctor', 'with the configuration of the last up'],
    [`wanmark doctor ${FILE} --json`, 'knows the checks of the file, too'],
  ],
  explain: [
    ['wanmark explain 192.168.9.50:5060 192.0.2.1:5060 --proto udp', 'a call'],
    ['wanmark explain router 192.0.2.1:443', "the router's own connection"],
  ],
  set: [
    ['wanmark set fibre weight=0', 'drains it: it keeps what it has and gets nothing new'],
    ['wanmark set fibre weight=auto state=auto', 'as configured again'],
    ['wanmark set web/10.0.0.2:8080 state=down', 'a server of a service'],
  ],
  web: [
    ['wanmark web', 'for this machine alone'],
    ['wanmark web --listen 192.168.9.1:8080 --token-file /etc/wanmark-web.token', 'for the LAN'],
  ],
  reload: [['wanmark reload --dry-run', 'what would change']],
  import: [
    ['wanmark import mwan3 > wanmark.yaml', 'of OpenWrt; what is lost is said on standard error'],
    ['wanmark import vyos /config/config.boot', 'of VyOS or EdgeOS'],
  ],
  completion: [
    [
      'wanmark completion bash > /etc/bash_completion.d/wanmark',
      'for bash, with the package bash-completion',
    ],
    ['wanmark completion zsh > /usr/local/share/zsh/site-functions/_wanmark', 'for zsh'],
    ['wanmark completion fish > /etc/fish/completions/wanmark.fish', 'for fish'],
  ],
  lab: [
    ['wanmark lab', 'three uplinks, with the daemon'],
    ['wanmark lab --engine kernel --kernel-mode nth --weights 5,3,1', 'the kernel alone'],
  ],
};
