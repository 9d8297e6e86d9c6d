/**
 * How many transactions of nftables this process itself has carried out: each raises the generation of all rules by one
 * (nf_tables_commit), which otherwise says that somebody has changed them.
 */
export const OWN_TRANSACTIONS = { done: 0 };
