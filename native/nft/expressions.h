// Expressions of a rule of nftables, one message's part each, in the registers that they share: what one of
// them loads, the next ones read.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace wanmark {

/** A part of a packet that can be hashed. */
enum class NftField : uint8_t { kSource, kSourcePort, kDestination, kDestinationPort, kProtocol };

/** The most bytes that the expressions of one rule take here, apart from names. */
constexpr size_t kExpressionsBytes = 1024;

/** Puts `numgen inc mod N` into register 1. */
void PutTurn(nlmsghdr* message, uint32_t modulus);

/** Loads the fields, in their order, and puts `jhash FIELDS mod N seed 0x1` into register 1, as nft(8) writes
 * it. */
void PutHash(nlmsghdr* message, std::span<const NftField> fields, bool ipv6, uint32_t modulus);

/** Loads the packet's protocol into register 1. */
void PutProtocol(nlmsghdr* message);

/**
 * Looks register 1 up in an anonymous set of the same transaction, which has this number.
 * @param maps whether it leads to chains; otherwise the rule ends where it has no such element
 */
void PutLookup(nlmsghdr* message, std::string_view set, uint32_t id, bool maps);

}  // namespace wanmark
