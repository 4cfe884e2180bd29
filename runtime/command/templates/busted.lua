-- For `busted` alone; `lunastalk test` needs no file.
return { _all = { lua = "lunastalk lua" } }
