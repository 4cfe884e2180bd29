std = "luajit"
max_line_length = 120
cache = false
exclude_files = { "build" }
files["spec/**/*_spec.lua"].std = "+busted"
files["runtime/command/templates/spec.lua"].std = "+busted"
