/**
 * A third of the pairs of addresses for each line, and for each third the others in an order of its own, as the source's
 * tables have it by their distances: lines of one distance share what comes to them.
 */
const ORDERS = [
  [['ISP1'], ['ISP2', 'ISP3']],
  [['ISP2'], ['ISP1'], ['ISP3']],
  [['ISP3'], ['ISP1'], ['ISP2']],
];

export default function pcc() {
  return {
    pick({ srcHash, dstHash }, wans) {
      const hash = Math.imul(srcHash ^ Math.imul(dstHash, 0x9e3779b1), 0x85ebca6b) >>> 8;
      for (const names of ORDERS[hash % 3]) {
        const up = wans.filter(({ name }) => names.includes(name));
        if (up.length > 0) return up[Math.floor(hash / 3) % up.length];
      }
      return wans[0];
    },
  };
}
