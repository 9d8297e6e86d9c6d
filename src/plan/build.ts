import type { PlanConfig } from '../config/config.js';
import { FAMILIES, type Family } from '../core/family.js';
import { aheadPools } from './ahead.js';
import { askedStage } from './asking.js';
import type { Facts } from './facts.js';
import { tellFarEnds } from './far-ends.js';
import { heldSetName, MOST_LISTED } from './held-sets.js';
import { asMatched, tellIpsec } from './ipsec.js';
import { natStage } from './nat.js';
import { parseNetwork, widestNetworks } from './network.js';
import { tellOthers } from './others.js';
import { type FamilyPlan, NOTHING, type Plan, type SetPlan, type StagePlan } from './plan.js';
import { deviceSettings, ipRules, tableRoutes } from './routing.js';
import { tellSets } from './rule-sets.js';
import { makeScene, type Scene } from './scene.js';
import { serviceForward, serviceMangle, serviceSets, tellServices } from './services.js';
import type { PlanStates } from './states.js';
import { tellStickiness } from './stickiness.js';
import { wanMangle, wanSets } from './wans.js';

/** Link-local addresses never cross a router. */
const LINK_LOCAL = 'fe80::/10';

/**
 * Builds the whole state that the machine is to have. Pure: the same configuration, facts and states give the same
 * plan.
 */
export function buildPlan(config: PlanConfig, facts: Facts, states: PlanStates): Plan {
  const notes = new Set<string>();
  const scene = (family: Family) => makeScene(config, facts, states, family, (line) => notes.add(line));
  const scenes = { 4: scene(4), 6: scene(6) };
  const families = { 4: familyPlan(scenes[4]), 6: familyPlan(scenes[6]) };
  const unusable = FAMILIES.flatMap((family) =>
    scenes[family].uplinks.flatMap((uplink) => uplink.unusable ?? []),
  );
  return {
    families,
    settings: deviceSettings(scenes),
    ahead: aheadPools(config),
    unusable,
    notes: [...notes],
  };
}

function familyPlan(scene: Scene): FamilyPlan {
  const served = scene.isOurs || scene.services.length > 0;
  if (!served) {
    const stages = { nat: NOTHING, mangle: NOTHING, filter: NOTHING };
    return { served, sets: new Map(), stages, rules: [], routes: [] };
  }
  tellOthers(scene);
  tellIpsec(scene);
  tellFarEnds(scene);
  tellServices(scene);
  tellSets(scene);
  tellStickiness(scene);
  const { facts } = scene;
  return {
    served,
    sets: new Map<string, SetPlan>([
      ['specific', specific(scene)],
      ['excluded', excluded(scene)],
      ...wanSets(scene),
      ...serviceSets(scene),
    ]),
    stages: {
      nat: asMatched(natStage(scene), facts),
      mangle: asMatched(together(wanMangle(scene), serviceMangle(scene), askedStage(scene)), facts),
      filter: serviceForward(scene),
    },
    rules: ipRules(scene),
    routes: tableRoutes(scene),
  };
}

function together(...all: readonly StagePlan[]): StagePlan {
  return { chains: all.flatMap(({ chains }) => chains), hooks: all.flatMap(({ hooks }) => hooks) };
}

/** The networks that are also not translated: those that somebody excluded. */
function excluded({ config, family }: Scene): SetPlan {
  return { source: { from: 'excluded' }, elements: widestNetworks(config.rules.exclude, family) };
}

/**
 * The networks that are left alone: those that the main table reaches by more than its default route, and the excluded
 * ones. A `throw` route means "ask the next table", so it is not a destination.
 */
function specific({ config, facts, family }: Scene): SetPlan {
  const also = [...(family === 6 ? [LINK_LOCAL] : []), ...config.rules.exclude].filter(
    (network) => parseNetwork(network)?.family === family,
  );
  const known = facts.main[family]
    .filter(({ dst, isThrow }) => dst !== 'default' && !isThrow)
    .map(({ dst }) => dst);
  const elements = widestNetworks([...also, ...known], family);
  const held = facts.keepsSets && elements.length > MOST_LISTED ? { held: heldSetName(family) } : {};
  return { source: { from: 'main-networks', also }, elements, ...held };
}
