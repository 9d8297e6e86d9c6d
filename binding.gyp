{
  'targets': [
    {
      'target_name': 'nfqueue',
      'sources': [
        'native/addon.cc',
        'native/conntrack.cc',
        'native/ct_entry.cc',
        'native/ct_loop.cc',
        'native/ct_messages.cc',
        'native/ct_request.cc',
        'native/ct_tally.cc',
        'native/decision_cache.cc',
        'native/handoff.cc',
        'native/headers.cc',
        'native/netlink_socket.cc',
        'native/nfq_config.cc',
        'native/packet.cc',
        'native/queue.cc',
        'native/queue_loop.cc',
        'native/receiver.cc',
        'native/verdicts.cc',
      ],
      'include_dirs': ['<!(node -p "require(\'node-addon-api\').include_dir")'],
      'defines': [
        'NAPI_VERSION=8',
        'NAPI_DISABLE_CPP_EXCEPTIONS',
        'NODE_ADDON_API_DISABLE_DEPRECATED',
        # In a worker that is being terminated nothing can be thrown: not a reason to abort the process.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'cflags': ['<!@(pkg-config --cflags libmnl)', '-fvisibility=hidden', '-Wall', '-Wextra'],
      'cflags_cc': ['-std=c++20'],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
      'libraries': ['<!@(pkg-config --libs libmnl)'],
    },
  ],
}
