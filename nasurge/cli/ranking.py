"""stub"""
def rank() -> None:
    """x"""
