// A cheap way to notice that somebody changed the firewall's rules: a number or a size that the kernel tells
// in microseconds, where reading the rules takes milliseconds. Functions return 0 or a positive errno.
#pragma once

#include <cstdint>

namespace wanmark {

/** What the kernel tells of an iptables-legacy table. */
struct TableInfo {
  uint32_t entries = 0;
  uint32_t bytes = 0;
};

/**
 * Reads the generation of this network namespace's nftables rules, which iptables-nft uses as well. Each
 * transaction changes it (nf_tables_commit). Asking loads nf_tables where it is not loaded yet.
 */
int NftGeneration(uint32_t& generation);

/**
 * Reads the size of a table of iptables-legacy (family 4) or ip6tables-legacy (6). Asking creates a table
 * that is not there. Replacing a rule by one of the same size goes unnoticed.
 */
int LegacyTable(int family, const char* name, TableInfo& info);

}  // namespace wanmark
