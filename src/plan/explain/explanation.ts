import type { Family } from '../../core/family.js';

/** A packet as `explain` shows it. */
export interface PacketShown {
  readonly family: Family;
  /** The name of its protocol, or its number. */
  readonly proto: string;
  readonly src: string;
  readonly sport: number | null;
  readonly dst: string;
  readonly dport: number | null;
  /** The device that it comes in by; null for the router's own. */
  readonly in: string | null;
}

/** A WAN of a policy. */
export interface MemberShown {
  readonly wan: string;
  /** Its current weight in the policy. */
  readonly weight: number;
  readonly tier: number;
  /** Its part of the new connections that are led here, 0..1: by its weight, since other strategies depend on the moment. */
  readonly share: number;
  /** Why it takes none; null where it takes some. */
  readonly why: string | null;
}

/** A policy that a connection came to: the one that a rule leads it to, or one that follows by `none=`. */
export interface PolicyShown {
  readonly name: string;
  readonly members: readonly MemberShown[];
  /** Where connections go when none of them is up: `main`, `unreachable`, `blackhole` or a policy. */
  readonly none: string;
}

/** What the daemon's strategy would say. */
export interface StrategyShown {
  readonly name: string;
  /** The WAN that it gives to this very connection; null where it depends on the moment, and only shares can be told. */
  readonly wan: string | null;
}

/** Where the kernel sends a packet. */
export interface WayShown {
  /** The WAN that it leaves by, or its answers would where rp_filter loses it; null where that is none. */
  readonly wan: string | null;
  /** How much of such connections goes this way, 0..1. */
  readonly share: number;
  /**
   * `local`: to this router itself; `none`: no route; `filtered`: rp_filter loses what comes in, since the fields below are the
   * way back to its source; otherwise a word of `ip rule`.
   */
  readonly fate: 'leaves' | 'local' | 'none' | 'filtered' | 'unreachable' | 'blackhole' | 'prohibit';
  /** The whole mark with which the route is looked up, as 0x... */
  readonly mark: string;
  /** The ip rule that has the answer; null for `local` and `none`, and where there is no way back. */
  readonly rule: { readonly priority: number; readonly text: string; readonly ours: boolean } | null;
  readonly table: string | null;
  readonly dev: string | null;
  readonly via: string | null;
  /** What becomes of its source address: `masquerade`, a new address or prefix; null: nothing. */
  readonly nat: string | null;
}

/**
 * Why a new connection would go where it would go, as `explain --json` says it. Fields may be added, never renamed.
 */
export interface Explanation {
  readonly packet: PacketShown;
  /** Why nobody chooses a WAN for it; null where somebody does. */
  readonly left: string | null;
  /** The rule of the configuration that holds, by its place from 1 on; null where none is for it, or it was left alone before. */
  readonly rule: { readonly number: number; readonly text: string } | null;
  /** The policies that it comes to, one after the other; empty where it is left alone. */
  readonly policies: readonly PolicyShown[];
  /** Who chooses now. */
  readonly decides: 'daemon' | 'kernel' | 'nobody';
  /** Null unless the daemon decides. */
  readonly strategy: StrategyShown | null;
  /** The WAN that a sticky client keeps, whatever the shares are; null where there is none. */
  readonly keeps: string | null;
  /** Where it may go now. */
  readonly ways: readonly WayShown[];
  /** Where it may go while no daemon runs. */
  readonly withoutDaemon: readonly WayShown[];
  /** What the description leaves open, a line each; most often nothing. */
  readonly unsure: readonly string[];
}
