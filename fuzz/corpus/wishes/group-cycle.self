//- groups/late.toml
params = ["late=1"]
nodes = "@late"
