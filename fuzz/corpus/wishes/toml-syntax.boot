//- boot/rocky9.toml
kind = live
//- networks/node.toml
cidr = 10.0.0.0/24
