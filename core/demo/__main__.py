from core.demo.host import main

main()
