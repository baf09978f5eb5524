"""Is a commit durable whatever the server's default is? (SEND-20)"""

from sqlalchemy.engine import make_url

from gateway.db.engine import create_engine, read


def test_commits_wait_for_the_disk(postgres_cluster, postgresql_url):
    """SEND-20: journals are removed after a commit, so it must outlive a power failure."""
    postgres_cluster.execute(f'ALTER DATABASE "{make_url(postgresql_url).database}" SET synchronous_commit = off')
    engine = create_engine(postgresql_url)
    try:
        with read(engine) as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
    finally:
        engine.dispose()
