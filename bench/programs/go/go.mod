module wanmark/bench/goloop

go 1.19
